#!/usr/bin/env bash
# The paper's Emotion6 rows on LLaVA-1.5-7B: zero-shot and SEPM (Table 1). Needs a 24 GB GPU.
MODEL=${MODEL:-liuhaotian/llava-v1.5-7b}   # hub id or local folder
DATA=${DATA:-data/Emotion6}                # as unpacked: images/, ground_truth.txt
QUESTIONS=${QUESTIONS:-question/emotion6/stage_1.jsonl} # made from DATA where absent
SPLIT=${SPLIT:-}                           # list of <class>/<N>.jpg (the paper: 594); empty: as QUESTIONS was made, else all 1,980
OUTPUT=${OUTPUT:-results}                  # one folder below it for each run
PRESET=${PRESET:-paper}                    # paper, released, released-2025-08, -2025-07, -2025-03
ALPHA=${ALPHA:-}                           # confidence threshold; empty: the preset's (0.1)
BETA=${BETA:-}                             # drop ratio; empty: the preset's (paper: 0.2)
GPUS=${GPUS:-${CUDA_VISIBLE_DEVICES-0}}    # one, or several: 0,1,2,3 share the work

set -euo pipefail
cd "$(dirname "$0")/../../.."
source scripts/v1_5/eval/common.sh

if [ -z "$SPLIT" ] && [ ! -e "$QUESTIONS" ]; then
    echo "SPLIT is empty: all 1,980 images will be evaluated. The paper's decimals fit 594, so its" \
        "numbers will not stand beside these (data/README.md, Emotion6)." >&2
fi
make_questions emotion6 ${SPLIT:+--split "$SPLIT"}
evaluate emotion6 "$DATA/images" zero-shot sepm
