#!/usr/bin/env bash
# A gate for a build pipeline: does the SFU at TARGET carry a small meeting well enough?
#
#   examples/gate.sh http://127.0.0.1:7080
#
# The exit code is the verdict: 0 pass, 3 not good enough, 4 no server there, 5 this machine was too
# slow to tell. The report is kept beside it.
set -euo pipefail

sfukit loadtest "${1:?give the address of the SFU}" \
  --clients 5 --duration 5s --warmup 2s --seed 1 \
  -T 'e2e_frame_ms.p95<250ms' \
  -T 'loss_after_rtx.avg<0.1%' \
  --json gate.json
