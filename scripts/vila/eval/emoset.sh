#!/usr/bin/env bash
# The paper's EmoSet rows on VILA-1.5-8B: zero-shot and SEPM (Table 1). Needs a 24 GB GPU.
# All other settings are those at the top of scripts/v1_5/eval/emoset.sh, set in the environment.
export MODEL=${MODEL:-Efficient-Large-Model/Llama-3-VILA1.5-8B} # hub id (or …-8B-Fix), or local folder
export CONVERSATION=${CONVERSATION:-auto}   # prompt template: auto, llama_3 or llama_3_fix

exec bash "$(dirname "$0")/../../v1_5/eval/emoset.sh" "$@"
