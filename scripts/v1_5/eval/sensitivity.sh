#!/usr/bin/env bash
# Figure 3 as data: accuracy over α (which costs nothing) and β (a fine pass a value).
MODEL=${MODEL:-liuhaotian/llava-v1.5-7b}   # hub id or local folder; needs a 24 GB GPU
TASK=${TASK:-emoset}                       # the paper: emoset and emotion6
DATA=${DATA:-data/EmoSet-118K}             # the task's data set, as unpacked
IMAGES=${IMAGES:-$DATA/image}              # what the question file's images are relative to
QUESTIONS=${QUESTIONS:-question/$TASK/stage_1.jsonl} # made from DATA where absent
OUTPUT=${OUTPUT:-results}                  # goes to OUTPUT/TASK/<model>/sensitivity/
PRESET=${PRESET:-paper}                    # paper or released; the others have no gate
BETAS=${BETAS:-0 0.1 0.2 0.3 0.4 0.5}      # drop ratios
GPU=${GPU:-0}                              # which one

set -euo pipefail
cd "$(dirname "$0")/../../.."
source scripts/v1_5/eval/common.sh

make_questions "$TASK"
python -m sepm sensitivity --dataset "$TASK" --model-path "$MODEL" --question-file "$QUESTIONS" \
    --image-folder "$IMAGES" --output-dir "$OUTPUT" --preset "$PRESET" --betas $BETAS "$@"
