#!/usr/bin/env bash
# Table 3: Emotion6 and EmoSet; CCI, FP and VTA added one by one.
# Settings are those at the top of table1.sh, set in the environment.
table=3
source "$(dirname "$0")/table1.sh"
