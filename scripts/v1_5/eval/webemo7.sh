#!/usr/bin/env bash
# The paper's WebEmo (7 classes) rows on LLaVA-1.5-7B: zero-shot and SEPM (Table 1). Needs a 24 GB GPU.
MODEL=${MODEL:-liuhaotian/llava-v1.5-7b}   # hub id or local folder
DATA=${DATA:-data/WEBEmo}                  # lists and the images fetched, see data/README.md
IMAGES=${IMAGES:-$DATA}                    # without a list the folder of the classes, DATA/test25
QUESTIONS=${QUESTIONS:-question/webemo7/stage_1.jsonl} # made from DATA where absent
OUTPUT=${OUTPUT:-results}                  # one folder below it for each run
PRESET=${PRESET:-paper}                    # paper, released, released-2025-08, -2025-07, -2025-03
ALPHA=${ALPHA:-}                           # confidence threshold; empty: the preset's (0.1)
BETA=${BETA:-}                             # drop ratio; empty: the preset's (paper: 0.2)
GPUS=${GPUS:-${CUDA_VISIBLE_DEVICES-0}}    # one, or several: 0,1,2,3 share the work

set -euo pipefail
cd "$(dirname "$0")/../../.."
source scripts/v1_5/eval/common.sh

make_questions webemo7
evaluate webemo7 "$IMAGES" zero-shot sepm
