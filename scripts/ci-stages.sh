# Stages of .ci/run, which sources this (bash): each has a deadline, says how long it took, and keeps what it printed, so that
# the end of those that failed can be said once more where it is read: at the end. Needs $report_folder.

# How many lines of a stage that failed are repeated.
TAIL_LINES=25

failed_stages=()
# The process of the stage that runs.
running=

# stage NAME SECONDS COMMAND...
#
# The output goes to a file, which `tail` prints as it grows: through a pipe, a process that a stage left behind would hold up
# all that follows, and the exit code would be another program's.
stage() {
  local name=$1 seconds=$2 started=$SECONDS status=0 log="$report_folder/$1.log"
  shift 2
  echo "=== $name"
  : >"$log" # the next two begin at the same time
  timeout --kill-after=10 "$seconds" "$@" </dev/null >>"$log" 2>&1 &
  running=$!
  tail --lines=+1 --follow --sleep-interval=0.2 --pid="$running" "$log"
  wait "$running" || status=$?
  running=
  [ -z "$(tail --bytes=1 "$log")" ] || echo # its last line may have no end
  if [ "$status" -eq 0 ]; then
    echo "=== $name: ok, $((SECONDS - started)) s"
    return 0
  fi
  if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
    echo "=== $name: FAILED, not done after $seconds s"
  else
    echo "=== $name: FAILED with exit code $status, $((SECONDS - started)) s"
  fi
  failed_stages+=("$name")
}

# For who is interrupted: ends what runs, which has a process group of its own.
stop_stage() {
  [ -z "$running" ] || kill "$running"
}

# The last lines of each stage that failed, then their names; fails when there are any.
tell_failed_stages() {
  local name
  [ "${#failed_stages[@]}" -gt 0 ] || return 0
  for name in "${failed_stages[@]}"; do
    echo "=== $name FAILED; its last lines were:"
    tail --lines="$TAIL_LINES" "$report_folder/$name.log"
  done
  echo "failed: ${failed_stages[*]}"
  return 1
}
