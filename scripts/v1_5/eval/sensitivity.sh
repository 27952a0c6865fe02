#!/usr/bin/env bash
# Figure 3 as data: accuracy over α (which costs nothing) and β (a fine pass a value).
MODEL=${MODEL:-liuhaotian/llava-v1.5-7b}   # hub id or local folder; needs a 24 GB GPU
TASK=${TASK:-emoset}                       # the paper: emoset and emotion6
DATA=${DATA:-}                             # as unpacked; empty: where data/README.md has the task's
IMAGES=${IMAGES:-}                         # of QUESTIONS; empty: where they lie below DATA
QUESTIONS=${QUESTIONS:-question/$TASK/stage_1.jsonl} # made from DATA where absent
OUTPUT=${OUTPUT:-results}                  # goes to OUTPUT/TASK/<model>/sensitivity/
PRESET=${PRESET:-paper}                    # paper or released; the others have no gate
BETAS=${BETAS:-0 0.1 0.2 0.3 0.4 0.5}      # drop ratios
GPUS=${GPUS:-${CUDA_VISIBLE_DEVICES-0}}    # one, or several: 0,1,2,3 share the work

set -euo pipefail
cd "$(dirname "$0")/../../.."
source scripts/v1_5/eval/common.sh

case $TASK in
    emoset) DATA=${DATA:-data/EmoSet-118K} IMAGES=${IMAGES:-$DATA/image} ;;
    emotion6) DATA=${DATA:-data/Emotion6} IMAGES=${IMAGES:-$DATA/images} ;;
    webemo7 | webemo25) DATA=${DATA:-data/WEBEmo} IMAGES=${IMAGES:-$DATA} ;;
    abstract) DATA=${DATA:-data/testImages_abstract} IMAGES=${IMAGES:-$DATA} ;;
    *)
        echo "unknown TASK '$TASK'; expected emoset, emotion6, webemo7, webemo25 or abstract" \
            "(for a task of your own: sepm sensitivity)" >&2
        exit 2
        ;;
esac

make_questions "$TASK"
need_data "$TASK" "$IMAGES"
run_sepm sensitivity --dataset "$TASK" --question-file "$QUESTIONS" --image-folder "$IMAGES" \
    --betas $BETAS "$@"
