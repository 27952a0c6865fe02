#!/usr/bin/env bash
# Table 1: five tasks; zero-shot, zero-shot CoT, SparseVLM, SEPM at β = 0.1 and 0.2.
# Only cells that are not on disk are computed; options of `sepm table` may follow.
MODEL=${MODEL:-liuhaotian/llava-v1.5-7b}   # hub id or local folder; needs a 24 GB GPU
DATA=${DATA:-data}                         # a folder for each data set, as in data/README.md
QUESTIONS=${QUESTIONS:-question}           # TASK/stage_1.jsonl, made from DATA where absent
TASKS=${TASKS:-}                           # such as: emoset abstract; empty: all of the table's
OUTPUT=${OUTPUT:-results}                  # the table goes to OUTPUT/tables/<model>/
PRESET=${PRESET:-paper}                    # paper, released, released-2025-08, -2025-07, -2025-03
GPUS=${GPUS:-${CUDA_VISIBLE_DEVICES-0}}    # one, or several: 0,1,2,3 share the work

set -euo pipefail
cd "$(dirname "$0")/../../.."
steps=2
source scripts/v1_5/eval/common.sh

make_table "${table:-1}" "$@"
