#!/bin/sh
# Grants in Kafka what each program of Vigil uses, and nothing else (docs/operations.md, "Access").
#
#   deploy/acl/kafka.sh --bootstrap-server HOST:9093 --command-config admin.properties
#
# All arguments go to Kafka's own kafka-acls.sh, which must be on PATH. The topics must exist: run
# `streamer topics` as an administrator. Names are those of the service's settings; principals are
# ACL_..._PRINCIPAL, and one that is set to nothing gets no right. The trainer needs none, but `trainer archive run` is the archiver.
set -eu

group=${STREAMER_GROUP:-vigil}
archive_group=${TRAINER_GROUP:-vigil-archive}
vitals=${STREAMER_TOPIC_VITALS:-vitals}
alerts=${STREAMER_TOPIC_ALERTS:-alerts}
risk=${STREAMER_TOPIC_RISK:-risk}
rejected=${STREAMER_TOPIC_REJECTED:-vitals.rejected}
states=${STREAMER_TOPIC_STATES:-states}
outcomes=${STREAMER_TOPIC_OUTCOMES:-outcomes}
stays=${STREAMER_TOPIC_STAYS:-stays}
streamer=${ACL_STREAMER_PRINCIPAL-User:streamer}
sender=${ACL_SENDER_PRINCIPAL-User:sender}
risk_canary=${STREAMER_TOPIC_RISK_CANARY:-risk.canary}
alerts_canary=${STREAMER_TOPIC_ALERTS_CANARY:-alerts.canary}
board=${ACL_BOARD_PRINCIPAL-User:board}
viewer=${ACL_VIEWER_PRINCIPAL-User:viewer}
actor=${ACL_ACTOR_PRINCIPAL-User:actor}
replayer=${ACL_REPLAYER_PRINCIPAL-User:replayer}
canary=${ACL_CANARY_PRINCIPAL-User:canary}
archiver=${ACL_ARCHIVER_PRINCIPAL-User:archiver}

# grant PRINCIPAL OPERATION... -- RESOURCE... ; Read and Write include Describe
grant() {
    principal=$1
    shift
    if [ -z "$principal" ]; then return; fi
    operations=
    while [ "$1" != -- ]; do
        operations="$operations --operation $1"
        shift
    done
    shift
    # shellcheck disable=SC2086 # operations are several words
    kafka-acls.sh $connection --add --allow-principal "$principal" $operations "$@"
}
connection=$*

# streamer: reads vitals as one member of the group, writes the rest in its transactions.
# DescribeConfigs is for `streamer check` alone.
grant "$streamer" Read DescribeConfigs -- --topic "$vitals"
grant "$streamer" Read -- --group "$group"
grant "$streamer" Write DescribeConfigs -- --topic "$alerts" --topic "$risk" --topic "$rejected" \
    --topic "$stays" --topic "$outcomes" --topic "$risk_canary" --topic "$alerts_canary"
# A lost Redis is restored from its own topic of states, which nobody else reads.
grant "$streamer" Read Write DescribeConfigs -- --topic "$states"
# After a restart it asks how its last transaction ended. That one held the group's offsets, and the
# broker notes a denial unless their topic may be described.
grant "$streamer" Describe -- --topic __consumer_offsets
grant "$streamer" Write -- --transactional-id "$group-" --resource-pattern-type prefixed

# sender: whatever feeds vitals; outcomes are for `streamer simulate` and `streamer replay`.
grant "$sender" Write -- --topic "$vitals" --topic "$outcomes"

# viewer: `streamer alerts`, `streamer patient`, `streamer rejected list`, and readers of the outputs.
grant "$viewer" Describe -- --topic "$vitals"
grant "$viewer" Read -- --topic "$alerts" --topic "$risk" --topic "$rejected" \
    --topic "$rejected.replayed" --topic "$stays"

# actor: `streamer act` writes people's actions, without a transaction.
grant "$actor" Write -- --topic "$vitals"
grant "$actor" Read -- --topic "$alerts" --topic "$risk" --topic "$stays"

# board: `streamer board` reads the outputs, asks how far the group is, and writes people's actions.
grant "$board" Read -- --topic "$alerts" --topic "$risk" --topic "$stays"
grant "$board" Write -- --topic "$vitals"
grant "$board" Describe -- --group "$group"

# canary: `streamer canary` sends invented patients and hears what comes of them.
grant "$canary" Write -- --topic "$vitals"
grant "$canary" Read -- --topic "$risk_canary" --topic "$alerts_canary"

# replayer: `streamer rejected replay`.
grant "$replayer" Read -- --topic "$rejected"
grant "$replayer" Write -- --topic "$vitals"
grant "$replayer" Read Write -- --topic "$rejected.replayed"
grant "$replayer" Write -- --transactional-id "replay-of-$rejected"

# archiver: `trainer archive run` keeps what streams by, in a group for each of its tables.
grant "$archiver" Read -- --topic "$vitals" --topic "$outcomes" --topic "$risk" --topic "$alerts"
grant "$archiver" Read -- --group "$archive_group-" --resource-pattern-type prefixed
