/*
 * Writes what culvert is doing, as JSON.
 */
#include "process/status.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "ftp/command.h"
#include "process/destination.h"
#include "tunnel/record.h"

/* ---- values ---- */

static json_t *
seconds(uint64_t ms)
{
	return json_real((double)ms / 1000);
}

/* Returns words as a JSON string.  They may come from a peer, so they are
 * escaped and cut.  NULL and "" become null. */
static json_t *
status_words(const char *words)
{
	char escaped[LOG_ESCAPED_MAX];

	if (words == NULL || words[0] == '\0')
		return json_null();
	return json_string(log_show(escaped, sizeof(escaped), words));
}

static json_t *
mode(const struct engine_way *way)
{
	if (way->verb == VERB_OTHER)
		return json_null();
	return json_string(way->active ? "active" : "passive");
}

/* ---- sessions ---- */

/* Average bytes per second. */
static json_t *
rate(const struct transfer_info *transfer)
{
	if (transfer->ms == 0)
		return json_null();
	return json_real((double)transfer->bytes * 1000 / (double)transfer->ms);
}

static json_t *
transfer_json(const struct transfer_info *transfer)
{
	const struct engine_report *report = transfer->report;
	const char *verb = verb_name(report->verb);

	return json_pack("{s:s, s:o, s:s, s:I, s:o, s:I, s:o, s:o, s:o, s:o}",
	    "verb", *verb != '\0' ? verb : "SITE", "path",
	    status_words(report->name), "direction",
	    report->upload ? "upload" : "download", "bytes",
	    (json_int_t)transfer->bytes, "size",
	    report->size < 0 ? json_null() : json_integer(report->size),
	    "offset", (json_int_t)report->offset, "seconds",
	    seconds(transfer->ms), "rate", rate(transfer), "client_mode",
	    mode(&report->client), "server_mode", mode(&report->server));
}

static void
add_session(void *ctx, const struct session_info *session)
{
	json_t *sessions = ctx, *transfers = json_array(), *json;

	for (size_t i = 0; i < session->n_transfers; i++)
		json_array_append_new(transfers,
		    transfer_json(&session->transfers[i]));
	json = json_pack("{s:I, s:o, s:o, s:o, s:o}", "session",
	    (json_int_t)session->number, "client",
	    status_words(session->client), "user", status_words(session->user),
	    "seconds", seconds(session->ms), "transfers", transfers);
	if (session->server[0] != '\0')
		json_object_set_new(json, "server",
		    status_words(session->server));
	json_array_append_new(sessions, json);
}

/* ---- tunnels ---- */

static json_t *
outcomes_json(const uint64_t outcomes[INFO_OUTCOMES])
{
	json_t *json = json_object();

	for (int i = 0; i < INFO_OUTCOMES; i++)
		json_object_set_new(json,
		    record_outcome((enum engine_outcome)i),
		    json_integer((json_int_t)outcomes[i]));
	return json;
}

static json_t *
refusals_json(const uint64_t refusals[REFUSALS])
{
	json_t *json = json_object();

	for (int i = 0; i < REFUSALS; i++)
		json_object_set_new(json, refusal_name((enum refusal)i),
		    json_integer((json_int_t)refusals[i]));
	return json;
}

static json_t *
server_json(const struct forward *forward)
{
	bool bracket = strchr(forward->host, ':') != NULL;
	char server[FORWARD_HOST_MAX + 16];

	if (forward->captures)
		return status_words("captured");
	if (forward->sftp)
		return status_words("sftp");
	if (forward->socks)
		return status_words("socks");
	snprintf(server, sizeof(server), "%s%s%s:%u", bracket ? "[" : "",
	    forward->host, bracket ? "]" : "", forward->host_port);
	return status_words(server);
}

static json_t *
listener_json(const struct listener *listener)
{
	const struct tunnel_stats *stats = tunnel_stats(listener->tunnel);
	json_t *sessions = json_array();
	char at[4 * ADDR_TEXT_MAX];

	tunnel_each_session(listener->tunnel, add_session, sessions);
	return json_pack(
	    "{s:o, s:s, s:o, s:o, s:s, s:I, s:I, s:I, s:I, s:{s:o, s:o}, s:o, "
	    "s:o}",
	    "name", status_words(listener->entry->config->name), "kind",
	    listener->forward->remote ? "remote" : "local", "listening",
	    status_words(tunnel_address(listener->tunnel, at, sizeof(at))),
	    "server", server_json(listener->forward), "state",
	    listener->entry->leaving ? "leaving" :
		listener->listening  ? "listening" :
				       "starting",
	    "waiting", (json_int_t)tunnel_waiting(listener->tunnel),
	    "sessions_begun", (json_int_t)stats->sessions, "bytes_up",
	    (json_int_t)stats->bytes[ENGINE_SERVER], "bytes_down",
	    (json_int_t)stats->bytes[ENGINE_CLIENT], "transfers", "download",
	    outcomes_json(stats->transfers[ENGINE_CLIENT]), "upload",
	    outcomes_json(stats->transfers[ENGINE_SERVER]), "refusals",
	    refusals_json(stats->refusals), "sessions", sessions);
}

/* ---- destinations ---- */

static json_t *
destination_json(const struct destination *destination)
{
	const struct listener *listener;
	json_t *tunnels = json_array();
	const struct entry *entry;
	struct reconnect_info info;

	reconnect_describe(destination->reconnect, &info);
	TAILQ_FOREACH (entry, &destination->entries, link)
		TAILQ_FOREACH (listener, &entry->listeners, link)
			json_array_append_new(tunnels, listener_json(listener));
	return json_pack("{s:o, s:s, s:o, s:I, s:I, s:o, s:o, s:o}",
	    "destination",
	    status_words(destination->config->options.destination), "state",
	    reconnect_state_name(info.state), "seconds", seconds(info.ms),
	    "losses", (json_int_t)info.losses, "links", (json_int_t)info.links,
	    "round_trip",
	    info.round_trip_us == 0 ?
		json_null() :
		json_real((double)info.round_trip_us / 1e6),
	    "why", status_words(info.why), "tunnels", tunnels);
}

char *
status_text(const struct shared *shared)
{
	json_t *destinations = json_array(), *json;
	const struct destination *destination;
	char *line = NULL, *whole;

	TAILQ_FOREACH (destination, &shared->destinations, link)
		json_array_append_new(destinations,
		    destination_json(destination));
	json = json_pack("{s:s, s:I, s:o, s:s, s:I, s:I, s:I, s:o}", "version",
	    CULVERT_VERSION, "pid", (json_int_t)getpid(), "seconds",
	    seconds(uv_now(&shared->loop) - shared->began_at), "state",
	    shared->stopping	 ? "stopping" :
		shared->draining ? "draining" :
				   "running",
	    "sessions", (json_int_t)admission_count(shared->count.admission),
	    "memory", (json_int_t)shared->budget.used, "memory_max",
	    (json_int_t)shared->budget.max, "destinations", destinations);
	if (json != NULL)
		line = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(12));
	json_decref(json);
	if (line == NULL)
		return NULL;
	whole = realloc(line, strlen(line) + 2);
	if (whole == NULL)
		free(line);
	else
		strcat(whole, "\n");
	return whole;
}
