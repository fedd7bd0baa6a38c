#!/bin/sh
# Makes the users of Redis that Vigil's programs need, each with the commands and keys that it uses,
# and nothing else (docs/operations.md, "Access"). Redis 7.0 or newer, Valkey 8 or newer.
#
#   REDISCLI_AUTH=... ACL_STREAMER_PASSWORD_FILE=f deploy/acl/redis.sh -h HOST --user admin
#
# All arguments go to redis-cli. A user whose ACL_NAME_PASSWORD_FILE is not set is left alone. It ends
# with 1 at the first user whom the server refuses, or whose file is missing or empty. In a
# Cluster and behind Sentinels run it for each server, or keep users in an aclfile. Afterwards switch
# the default user off: redis-cli ACL SETUSER default off. Write rules to disk by ACL SAVE, or
# CONFIG REWRITE where there is no aclfile.
set -eu

group=${STREAMER_GROUP:-vigil}

# user NAME PASSWORD_FILE RULE... ; the password goes through a pipe: arguments are seen by everybody
user() {
    name=$1
    file=$2
    shift 2
    if [ -z "$file" ]; then return; fi
    password=$(cat "$file")
    if [ -z "$password" ]; then
        echo "$name: $file is empty" >&2
        exit 1
    fi
    # redis-cli ends with 0 when the server refuses, so its answer is read
    answer=$(printf '>%s' "$password" |
        redis-cli $connection -x ACL SETUSER "$name" reset on resetchannels -@all "$@")
    if [ "$answer" != OK ]; then
        echo "$name: the server says: $answer" >&2
        exit 1
    fi
    echo "$name: OK"
}
connection=$*
# What the client of a Cluster asks before it can find a key.
cluster='+cluster|slots +cluster|shards +cluster|info +readonly +asking +command'

# shellcheck disable=SC2086 # rules are several words
{
    # states of its own group, with the model that steps them; published models are read alone.
    # INFO and CONFIG GET are for `streamer check`, which runs as this user.
    user streamer "${ACL_STREAMER_PASSWORD_FILE-}" "~vigil:$group:*" '%R~{vigil:models}:*' \
        +hget +hmget +hset +hsetnx +hdel +hscan +get +hstrlen +getrange +strlen +exists \
        +lrange +evalsha '+script|load' +time \
        +info '+config|get' +select +ping $cluster
    # publishes models; sees no patient
    user trainer "${ACL_TRAINER_PASSWORD_FILE-}" '~{vigil:models}:*' '~{vigil:trainer}:*' \
        +hget +hmget +hset +get +getrange +strlen +exists +type +set +del +incr +pexpire \
        +lrange +lrem +lpush +ltrim \
        +evalsha '+script|load' +info +select +ping $cluster
    # `streamer patient` and the board: reads alone
    user viewer "${ACL_VIEWER_PASSWORD_FILE-}" "%R~vigil:$group:*" '%R~{vigil:models}:*' \
        +hget +hmget +get +hstrlen +getrange +strlen +exists +lrange +select +ping $cluster
    # `streamer canary`: which model is in force
    user canary "${ACL_CANARY_PASSWORD_FILE-}" '%R~{vigil:models}:*' \
        +hmget +getrange +strlen +exists +lrange +select +ping $cluster
}
# A sender needs no Redis.
