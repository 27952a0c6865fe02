# Sourced by the evaluation scripts, with the settings at their top.

source scripts/environment.sh
export CUDA_VISIBLE_DEVICES=$GPU

demo_hint() {
    echo "To see it work without data, weights or GPU: bash scripts/quickstart.sh" >&2
}

data_section() {  # what data/README.md says of a task
    local title
    case $1 in
        emoset) title=EmoSet ;;
        emotion6) title=Emotion6 ;;
        webemo*) title=WebEmo ;;
        abstract) title=Abstract ;;
    esac
    awk -v title="## $title" 'index($0, title) == 1 { on = 1; print; next } /^## / { on = 0 } on' \
        data/README.md
}

make_questions() {  # $1: task, the rest: options of `sepm questions`
    [ -e "$QUESTIONS" ] && return
    if [ ! -d "$DATA" ]; then
        echo "No data set at $DATA. Get it as below (from data/README.md), or set DATA to where" \
            "it lies." >&2
        data_section "$1" >&2
        demo_hint
        exit 2
    fi
    python -m sepm questions "$@" --root "$DATA" --output "$QUESTIONS"
}

evaluate() {  # $1: task, $2: image folder, the rest: methods
    local status=0
    python -m sepm eval --dataset "$1" --method "${@:3}" --model-path "$MODEL" \
        --question-file "$QUESTIONS" --image-folder "$2" --output-dir "$OUTPUT" \
        --preset "$PRESET" --conversation "${CONVERSATION:-auto}" \
        ${ALPHA:+--alpha "$ALPHA"} ${BETA:+--beta "$BETA"} || status=$?
    [ "$status" -ne 2 ] || demo_hint
    return "$status"
}

make_table() {  # $1: number of the table, the rest: further options of `sepm table`
    local status=0
    python -m sepm table "$@" --model-path "$MODEL" --data "$DATA" --questions "$QUESTIONS" \
        --output-dir "$OUTPUT" --preset "$PRESET" --conversation "${CONVERSATION:-auto}" \
        ${TASKS:+--tasks $TASKS} || status=$?
    [ "$status" -ne 2 ] || demo_hint
    return "$status"
}
