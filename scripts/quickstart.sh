#!/usr/bin/env bash
# All of SEPM on the bundled demo model: no GPU, no downloads but Python packages.
#
# Rows of an earlier start stay. Options of `sepm eval` may follow: --overwrite computes them anew.
set -euo pipefail
cd "$(dirname "$0")/.."
steps=4
source scripts/environment.sh ''

demo=(--model-path data/demo/llava-demo --device cpu)
data=(--question-file data/demo/stage_1.jsonl --image-folder data/demo/image)
page=results/demo-report.html

step "One image, step by step (sepm predict): 10 to 20 s"
python -m sepm predict "${demo[@]}" --dataset demo data/demo/image/fear/fear_00000.png
echo
step "Zero-shot and SEPM on the demo's 320 test scenes (sepm eval): 20 to 50 s, or less where" \
    "results/demo has rows of them, which stay"
python -m sepm eval --dataset demo --method zero-shot sepm "${demo[@]}" "${data[@]}" \
    --output-dir results --save-scores "$@"
echo
step "A page about both runs (sepm report): 10 to 20 s"
python -m sepm report results/demo/llava-demo/{zero-shot,sepm} --image-folder data/demo/image \
    --output "$page"
echo
echo "These are the demo model's numbers, not the paper's; data/demo/README.md tells what they mean."
echo "Open the page in a browser: $PWD/$page"
