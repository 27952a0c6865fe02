# Sourced by the evaluation scripts, with the settings at their top.

steps=${steps:-3}
source scripts/environment.sh
export CUDA_VISIBLE_DEVICES=$GPUS
IFS=, read -ra gpus <<<"$GPUS"

demo_hint() {
    echo "To see it work without data, weights or GPU: bash scripts/quickstart.sh" >&2
}

model_hint() {  # for whoever cannot reach the hub from here
    [ -d "$MODEL" ] ||
        echo "Where the weights lie in a folder: MODEL=/path/to/${MODEL##*/} bash $0" >&2
}

need_data() {  # $1: task, $2: folder that must be there
    [ -d "$2" ] && return
    python -m sepm questions "$1" --root "$2" --output /dev/null || true   # tells how to get it
    echo "If it lies elsewhere, set DATA to that folder." >&2
    demo_hint
    exit 2
}

make_questions() {  # $1: task, the rest: options of `sepm questions`, those of empty settings not
    step "Question file of $1: seconds, without a model"
    if [ -e "$QUESTIONS" ] && [ $# -eq 1 ]; then
        echo "$QUESTIONS is used as it is; delete it to have it made again" >&2
    elif [ -e "$QUESTIONS" ] && [ ! -e "${QUESTIONS%.jsonl}.manifest.json" ]; then
        echo "$QUESTIONS has no manifest, so it is your own and stays as it is: it cannot be made" \
            "with ${*:2}. Unset that, or set QUESTIONS to a new file." >&2
        exit 2
    else
        need_data "$1" "$DATA"
        python -m sepm questions "$@" --root "$DATA" --output "$QUESTIONS"
    fi
}

run_sepm() {  # the words of a command, which gets the settings that all scripts have
    local status=0 launcher=() weights="weights of $MODEL"
    [ -d "$MODEL" ] || weights+=", downloaded where the hub's cache lacks them (LLaVA-1.5-7B: 14 GB)"
    step "sepm $1: $weights; then a bar with the time left (SEPM on an H100: about 20 images/s)"
    if [ ${#gpus[@]} -gt 1 ]; then
        launcher=(-m accelerate.commands.launch --multi_gpu --num_machines 1
            --num_processes ${#gpus[@]} --main_process_port 0 --mixed_precision no
            --dynamo_backend no)
    fi
    python "${launcher[@]}" -m sepm "$@" --model-path "$MODEL" --output-dir "$OUTPUT" --preset "$PRESET" \
        --conversation "${CONVERSATION:-auto}" ${PROCESSOR:+--processor $PROCESSOR} || status=$?
    if [ "$status" -eq 2 ]; then
        model_hint
        demo_hint
    fi
    return "$status"
}

evaluate() {  # $1: task, $2: image folder, the rest: methods where METHODS names none
    need_data "$1" "$2"
    run_sepm eval --dataset "$1" --method ${METHODS:-"${@:3}"} --question-file "$QUESTIONS" \
        --image-folder "$2" ${ALPHA:+--alpha "$ALPHA"} ${BETA:+--beta "$BETA"}
}

make_table() {  # $1: number of the table, the rest: further options of `sepm table`
    run_sepm table "$@" --data "$DATA" --questions "$QUESTIONS" ${TASKS:+--tasks $TASKS}
}
