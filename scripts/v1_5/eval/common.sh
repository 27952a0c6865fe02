# Sourced by the evaluation scripts, with the settings at their top.

source scripts/environment.sh
export CUDA_VISIBLE_DEVICES=$GPU

demo_hint() {
    echo "To see it work without data, weights or GPU: bash scripts/quickstart.sh" >&2
}

make_questions() {  # $1: task, the rest: options of `sepm questions`
    [ -e "$QUESTIONS" ] && return
    if [ ! -d "$DATA" ]; then
        echo "No data set at $DATA. data/README.md tells what to download for $1 and where to" \
            "unpack it; or set DATA to where it lies." >&2
        demo_hint
        exit 2
    fi
    python -m sepm questions "$@" --root "$DATA" --output "$QUESTIONS"
}

evaluate() {  # $1: task, $2: image folder, the rest: methods
    local status=0
    python -m sepm eval --dataset "$1" --method "${@:3}" --model-path "$MODEL" \
        --question-file "$QUESTIONS" --image-folder "$2" --output-dir "$OUTPUT" \
        --preset "$PRESET" ${ALPHA:+--alpha "$ALPHA"} ${BETA:+--beta "$BETA"} || status=$?
    [ "$status" -ne 2 ] || demo_hint
    return "$status"
}
