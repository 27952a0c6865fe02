#!/usr/bin/env bash
# Abstract on an image-text-to-text model of transformers: zero-shot, SEPM and its parts.
# All other settings are those at the top of scripts/v1_5/eval/abstract.sh, set in the environment.
MODEL=${MODEL:-Qwen/Qwen2.5-VL-7B-Instruct} # hub id or local folder
METHODS=${METHODS:-zero-shot fp cci cci+fp sepm}
PROCESSOR=${PROCESSOR:-}                    # of images, such as "max_pixels=1003520"; empty: the checkpoint's
ALPHA=${ALPHA:-}                            # confidence threshold; empty: the preset's (0.1)
BETA=${BETA:-}                              # drop ratio; empty: the preset's (paper: 0.2)
GPUS=${GPUS:-${CUDA_VISIBLE_DEVICES-0}}     # one, or several: 0,1,2,3 share the work

source "$(dirname "$0")/../../v1_5/eval/abstract.sh"
