#!/usr/bin/env bash
# Table 2: Emotion6 and EmoSet; random, query-related and FoE-related dropping.
# Settings are those at the top of table1.sh, set in the environment.
table=2
source "$(dirname "$0")/table1.sh"
