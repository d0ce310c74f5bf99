#!/bin/sh
# Deploy only after a go: DEPLOYMENT_ID=release/v1.2 deploy.sh INVENTORY DATABASE COMMAND...
# Runs the procedure before a deployment, and COMMAND if it ends in go. The document of it is in ./backup.json.
set -eu

if [ "$#" -lt 3 ] || [ -z "${DEPLOYMENT_ID:-}" ]; then
    sed -n '2,3s/^# //p' "$0" >&2
    exit 2
fi
inventory=$1
database=$2
shift 2

# In the environment it stays one value, whatever is in it; "-e deployment_id=..." would be cut at blanks.
export MOBUL_DEPLOYMENT_ID="$DEPLOYMENT_ID"
export MOBUL_PROCEDURE_RESULT_PATH="$PWD/backup.json"
ansible-playbook mobul.backup.pre_deploy -i "$inventory" --limit "$database"

exec "$@"
