/*
 * What culvert is doing, as JSON.
 */
#include "process/status.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process/app.h"
#include "base/log.h"
#include "ftp/command.h"
#include "tunnel/record.h"

/* ---- values ---- */

static json_t *
seconds(uint64_t ms)
{
	return json_real((double)ms / 1000);
}

/* Peers' bytes, which may be anything, and as many as they like.  NULL and ""
 * are null. */
static json_t *
status_words(const char *words)
{
	char escaped[LOG_ESCAPED_MAX];

	if (words == NULL || words[0] == '\0')
		return json_null();
	if (strlen(words) < sizeof(escaped) && log_is_plain(words, false))
		return json_string(words);
	return json_string(
	    log_escape(escaped, sizeof(escaped), words, strlen(words)));
}

static json_t *
mode(const struct engine_way *way)
{
	if (way->verb == VERB_OTHER)
		return json_null();
	return json_string(way->active ? "active" : "passive");
}

/* ---- sessions ---- */

/* Bytes in a second, since it has begun. */
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
	const char *verb = verb_name(transfer->verb);

	return json_pack("{s:s, s:o, s:s, s:I, s:o, s:I, s:o, s:o, s:o, s:o}",
	    "verb", *verb != '\0' ? verb : "SITE", "path",
	    status_words(transfer->name), "direction",
	    transfer->upload ? "upload" : "download", "bytes",
	    (json_int_t)transfer->bytes, "size",
	    transfer->size < 0 ? json_null() : json_integer(transfer->size),
	    "offset", (json_int_t)transfer->offset, "seconds",
	    seconds(transfer->ms), "rate", rate(transfer), "client_mode",
	    mode(&transfer->client), "server_mode", mode(&transfer->server));
}

static void
add_session(void *ctx, const struct session_info *session)
{
	json_t *sessions = ctx, *transfers = json_array();

	for (size_t i = 0; i < session->n_transfers; i++)
		json_array_append_new(transfers,
		    transfer_json(&session->transfers[i]));
	json_array_append_new(sessions,
	    json_pack("{s:I, s:o, s:o, s:o, s:o}", "session",
		(json_int_t)session->number, "client",
		status_words(session->client), "user",
		status_words(session->user), "seconds", seconds(session->ms),
		"transfers", transfers));
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
		if (refusals[i] > 0)
			json_object_set_new(json, refusal_name((enum refusal)i),
			    json_integer((json_int_t)refusals[i]));
	return json;
}

static json_t *
server_json(const struct forward *forward)
{
	bool bracket = strchr(forward->host, ':') != NULL;
	char server[FORWARD_HOST_MAX + 16];

	snprintf(server, sizeof(server), "%s%s%s:%u", bracket ? "[" : "",
	    forward->host, bracket ? "]" : "", forward->host_port);
	return status_words(server);
}

static void
status_add_tunnel(void *ctx, const struct listener_info *listener)
{
	const struct tunnel_stats *stats = tunnel_stats(listener->tunnel);
	json_t *tunnels = ctx, *sessions = json_array();
	char at[4 * ADDR_TEXT_MAX];

	tunnel_each_session(listener->tunnel, add_session, sessions);
	json_array_append_new(tunnels,
	    json_pack(
		"{s:o, s:s, s:o, s:o, s:s, s:I, s:I, s:I, s:I, s:{s:o, s:o}, "
		"s:o, s:o}",
		"name", status_words(listener->name), "kind",
		listener->forward->remote ? "remote" : "local", "listening",
		status_words(tunnel_address(listener->tunnel, at, sizeof(at))),
		"server", server_json(listener->forward), "state",
		listener->leaving	? "leaving" :
		    listener->listening ? "listening" :
					  "starting",
		"waiting", (json_int_t)tunnel_waiting(listener->tunnel),
		"sessions_begun", (json_int_t)stats->sessions, "bytes_up",
		(json_int_t)stats->bytes[ENGINE_SERVER], "bytes_down",
		(json_int_t)stats->bytes[ENGINE_CLIENT], "transfers",
		"download", outcomes_json(stats->transfers[ENGINE_CLIENT]),
		"upload", outcomes_json(stats->transfers[ENGINE_SERVER]),
		"refusals", refusals_json(stats->refusals), "sessions",
		sessions));
}

/* ---- destinations ---- */

static json_t *
destination_json(const struct destination *destination)
{
	json_t *tunnels = json_array();
	struct destination_info info;

	destination_describe(destination, &info);
	destination_each_tunnel(destination, status_add_tunnel, tunnels);
	return json_pack("{s:o, s:s, s:o, s:I, s:I, s:o, s:o, s:o}",
	    "destination", status_words(info.destination), "state",
	    reconnect_state_name(info.link.state), "seconds",
	    seconds(info.link.ms), "losses", (json_int_t)info.link.losses,
	    "links", (json_int_t)info.link.links, "round_trip",
	    info.link.round_trip_us == 0 ?
		json_null() :
		json_real((double)info.link.round_trip_us / 1e6),
	    "why", status_words(info.link.why), "tunnels", tunnels);
}

static const char *
state_of(const struct app *app)
{
	if (app->stopping)
		return "stopping";
	return app->draining ? "draining" : "running";
}

char *
status_text(const struct app *app)
{
	json_t *destinations = json_array(), *json;
	char *line = NULL, *whole;

	for (size_t i = 0; i < LIMIT_DESTINATIONS; i++)
		if (app->destinations[i] != NULL)
			json_array_append_new(destinations,
			    destination_json(app->destinations[i]));
	json = json_pack("{s:s, s:I, s:o, s:s, s:I, s:I, s:I, s:o}", "version",
	    CULVERT_VERSION, "pid", (json_int_t)getpid(), "seconds",
	    seconds(uv_now(&app->loop) - app->began_at), "state", state_of(app),
	    "sessions", (json_int_t)admission_count(app->count.admission),
	    "memory", (json_int_t)app->budget.used, "memory_max",
	    (json_int_t)app->budget.max, "destinations", destinations);
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
