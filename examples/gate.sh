#!/usr/bin/env bash
# A quality gate for CI: a load test of five clients against the SFU at TARGET.
#
#   examples/gate.sh http://127.0.0.1:7080
#
# The exit code is the verdict: 0 pass, 3 a gate was missed, 4 target unreachable, 5 inconclusive
# (the load generator was too slow). The report is gate.json.
set -euo pipefail

sfukit loadtest "${1:?usage: gate.sh TARGET}" \
  --clients 5 --duration 5s --warmup 2s --seed 1 \
  -T 'e2e_frame_ms.p95<250ms' \
  -T 'loss_after_rtx.avg<0.1%' \
  --json gate.json
