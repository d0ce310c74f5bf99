#!/bin/sh
# Deploy only after a go: DEPLOYMENT_ID=release/v1.2 deploy-runner.sh PRIVATE_DATA_DIR DATABASE COMMAND...
# Runs the procedure before a deployment by ansible-runner, and COMMAND if it ends in go.
set -eu

if [ "$#" -lt 3 ] || [ -z "${DEPLOYMENT_ID:-}" ]; then
    sed -n '2,3s/^# //p' "$0" >&2
    exit 2
fi
private_data_dir=$1
database=$2
shift 2

ident=$(date -u +%Y%m%d_%H%M%S)_$$
# As JSON in env/extravars it would be as safe; there it would win over the environment, and stay for the next run.
export MOBUL_DEPLOYMENT_ID="$DEPLOYMENT_ID"
ansible-runner run "$private_data_dir" --ident "$ident" --playbook mobul.backup.pre_deploy --limit "$database"

# The set, its copies and checksums: what the playbook has left in the run's statistics.
jq --arg database "$database" 'select(.event == "playbook_on_stats").event_data.artifact_data.procedure_result[$database].backup' \
    "$private_data_dir/artifacts/$ident/job_events/"*.json
exec "$@"
