#!/bin/sh
# Writes the secrets that are not there yet. Usage, from the checkout's root:
#   sh configs/deploy/make-secrets.sh configs/deploy/secrets
# Only who made them may enter the directory; the files themselves are mounted into containers of other users.
set -eu
cd "$1"
chmod 0700 .
umask 0222
fresh() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
[ -s postgres_password ] || fresh > postgres_password
[ -s owner_key ] || { printf 'attune_'; fresh; } > owner_key
[ -s vllm_api_key ] || fresh > vllm_api_key
[ -s database_url ] ||
    printf 'postgresql://attune:%s@%s/attune' "$(cat postgres_password)" "${POSTGRES:-postgres:5432}" > database_url
