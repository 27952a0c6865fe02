#!/usr/bin/env bash
# All of SEPM on the bundled demo model: no GPU, no downloads but Python packages.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/environment.sh

demo=(--model-path data/demo/llava-demo --device cpu)
data=(--question-file data/demo/stage_1.jsonl --image-folder data/demo/image)

echo "== One image, step by step (sepm predict) =="
python -m sepm predict "${demo[@]}" --dataset demo data/demo/image/fear/fear_00000.png
echo
echo "== Zero-shot and SEPM on the demo's test scenes (sepm eval) =="
python -m sepm eval --dataset demo --method zero-shot sepm "${demo[@]}" "${data[@]}" \
    --output-dir results --overwrite --save-scores
echo
echo "== A page about both runs (sepm report) =="
python -m sepm report results/demo/llava-demo/{zero-shot,sepm} --image-folder data/demo/image \
    --output results/demo-report.html
echo
echo "These are the demo model's numbers, not the paper's; data/demo/README.md tells what they mean."
