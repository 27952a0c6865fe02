#!/usr/bin/env bash
# Table 1 on an image-text-to-text model of transformers: five tasks; zero-shot, zero-shot CoT, SEPM
# at β = 0.1 and 0.2. Only cells that are not on disk are computed.
# All other settings are those at the top of scripts/v1_5/eval/table1.sh, set in the environment.
MODEL=${MODEL:-Qwen/Qwen2.5-VL-7B-Instruct} # hub id or local folder
PROCESSOR=${PROCESSOR:-}                    # of images, such as "max_pixels=1003520"; empty: the checkpoint's
GPUS=${GPUS:-${CUDA_VISIBLE_DEVICES-0}}     # one, or several: 0,1,2,3 share the work

source "$(dirname "$0")/../../v1_5/eval/table1.sh"
