/*
 * Writes what culvert counts, in Prometheus' text format.
 */
#include "client/metrics_text.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LABELS_MAX 1400

/* How samples with the same labels are merged: those of a tunnel that is
 * leaving and of its successor, or of two destinations with one name. */
enum merge {
	MERGE_SUM,
	MERGE_LEAST,
	MERGE_MOST,
};

/* By convention the name of a counter, and of no gauge, ends with "_total". */
static const struct family {
	const char *name;
	enum merge merge;
	const char *help;
} families[] = {
	{ "build_info", MERGE_MOST, "Version of culvert, as a label." },
	{ "start_time_seconds", MERGE_MOST,
	    "Start time, in seconds since the epoch." },
	{ "window_bytes", MERGE_MOST,
	    "Bytes of receive windows granted to peers or filled with data." },
	{ "window_max_bytes", MERGE_MOST,
	    "Maximum of culvert_window_bytes (--max-memory)." },
	{ "link_up", MERGE_LEAST,
	    "Whether the SSH connection is up (1) or not (0)." },
	{ "links", MERGE_SUM, "SSH connections to the destination now." },
	{ "link_losses_total", MERGE_SUM,
	    "SSH connections that were lost; culvert reconnects." },
	{ "link_round_trip_seconds", MERGE_LEAST,
	    "Shortest recent round trip to sshd, in seconds." },
	{ "tunnel_listening", MERGE_MOST,
	    "Whether culvert accepts clients (1) or not (0)." },
	{ "sessions", MERGE_SUM,
	    "Control connections through the tunnel now." },
	{ "sessions_total", MERGE_SUM, "Control connections that have begun." },
	{ "clients_waiting", MERGE_SUM,
	    "Clients that wait for the SSH connection." },
	{ "clients_refused_total", MERGE_SUM,
	    "Clients that were refused, by reason." },
	{ "transfers", MERGE_SUM, "Transfers that run now." },
	{ "transfers_total", MERGE_SUM,
	    "Transfers that have ended, by direction and outcome." },
	{ "transfer_bytes_total", MERGE_SUM,
	    "Bytes of data connections, by direction." },
};

#define FAMILIES (sizeof(families) / sizeof(families[0]))

/* For each family an object that maps labels to a value. */
struct samples {
	json_t *of[FAMILIES];
	bool failed; /* out of memory */
};

/* ---- samples ---- */

/* Writes labels and one more label to text.  In its value, backslash, quote and
 * newline are escaped.  Returns text. */
static const char *
with_label(char text[LABELS_MAX], const char *labels, const char *name,
    const char *value)
{
	size_t len = (size_t)snprintf(text, LABELS_MAX, "%s%s%s=\"", labels,
	    labels[0] != '\0' ? "," : "", name);

	if (len >= LABELS_MAX - 4)
		len = LABELS_MAX - 4;
	for (; value != NULL && *value != '\0' && len < LABELS_MAX - 4;
	     value++) {
		if (*value == '\\' || *value == '"' || *value == '\n')
			text[len++] = '\\';
		text[len++] = *value != '\n' ? *value : 'n';
	}
	strcpy(text + len, "\"");
	return text;
}

static void
add_sample(struct samples *samples, const char *name, const char *labels,
    double value)
{
	const json_t *before;
	enum merge merge;
	size_t id = 0;
	double old;

	while (strcmp(families[id].name, name) != 0)
		id++;
	merge = families[id].merge;
	before = json_object_get(samples->of[id], labels);
	old = json_real_value(before);
	if (before != NULL && merge == MERGE_SUM)
		value += old;
	else if (before != NULL && (merge == MERGE_LEAST) == (old < value))
		value = old;
	if (json_object_set_new_nocheck(samples->of[id], labels,
		json_real(value)) != 0)
		samples->failed = true;
}

static double
number_of(const json_t *json, const char *key)
{
	return json_number_value(json_object_get(json, key));
}

static const char *
text_of(const json_t *json, const char *key)
{
	return json_string_value(json_object_get(json, key));
}

static bool
state_is(const json_t *json, const char *state)
{
	const char *text = text_of(json, "state");

	return text != NULL && strcmp(text, state) == 0;
}

static void
add_direction(struct samples *samples, const json_t *tunnel,
    const char *tunnels, const char *direction, const char *bytes)
{
	json_t *outcomes =
	    json_object_get(json_object_get(tunnel, "transfers"), direction);
	json_t *sessions = json_object_get(tunnel, "sessions");
	char labels[LABELS_MAX], more[LABELS_MAX];
	const json_t *session, *transfer;
	const char *name, *outcome;
	json_t *count;
	double n = 0;
	size_t i, j;

	with_label(labels, tunnels, "direction", direction);
	json_array_foreach(sessions, i, session)
	{
		json_array_foreach(json_object_get(session, "transfers"), j,
		    transfer)
		{
			name = text_of(transfer, "direction");
			n += name != NULL && strcmp(name, direction) == 0;
		}
	}
	add_sample(samples, "transfers", labels, n);
	add_sample(samples, "transfer_bytes_total", labels,
	    number_of(tunnel, bytes));
	json_object_foreach(outcomes, outcome, count) add_sample(samples,
	    "transfers_total", with_label(more, labels, "outcome", outcome),
	    json_number_value(count));
}

static void
add_tunnel(struct samples *samples, const json_t *tunnel)
{
	char name[LABELS_MAX], labels[LABELS_MAX], more[LABELS_MAX];
	const char *reason;
	json_t *count;

	with_label(name, "", "tunnel", text_of(tunnel, "name"));
	with_label(labels, name, "listening", text_of(tunnel, "listening"));
	add_sample(samples, "tunnel_listening", labels,
	    state_is(tunnel, "listening"));
	add_sample(samples, "sessions", labels,
	    (double)json_array_size(json_object_get(tunnel, "sessions")));
	add_sample(samples, "sessions_total", labels,
	    number_of(tunnel, "sessions_begun"));
	add_sample(samples, "clients_waiting", labels,
	    number_of(tunnel, "waiting"));
	json_object_foreach(json_object_get(tunnel, "refusals"), reason, count)
	    add_sample(samples, "clients_refused_total",
		with_label(more, labels, "reason", reason),
		json_number_value(count));
	add_direction(samples, tunnel, labels, "download", "bytes_down");
	add_direction(samples, tunnel, labels, "upload", "bytes_up");
}

static void
add_destination(struct samples *samples, const json_t *destination)
{
	json_t *tunnels = json_object_get(destination, "tunnels");
	double round_trip = number_of(destination, "round_trip");
	bool up = state_is(destination, "up");
	char labels[LABELS_MAX];
	const json_t *tunnel;
	size_t i;

	with_label(labels, "", "destination",
	    text_of(destination, "destination"));
	/* A destination without tunnels is ending, which is not a failure. */
	if (up || json_array_size(tunnels) > 0)
		add_sample(samples, "link_up", labels, up);
	add_sample(samples, "links", labels, number_of(destination, "links"));
	add_sample(samples, "link_losses_total", labels,
	    number_of(destination, "losses"));
	if (round_trip > 0)
		add_sample(samples, "link_round_trip_seconds", labels,
		    round_trip);
	json_array_foreach(tunnels, i, tunnel) add_tunnel(samples, tunnel);
}

static void
add_process(struct samples *samples, const json_t *status)
{
	char labels[LABELS_MAX];
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	add_sample(samples, "build_info",
	    with_label(labels, "", "version", text_of(status, "version")), 1);
	add_sample(samples, "start_time_seconds", "",
	    (double)now.tv_sec + (double)now.tv_nsec / 1e9 -
		number_of(status, "seconds"));
	add_sample(samples, "window_bytes", "", number_of(status, "memory"));
	add_sample(samples, "window_max_bytes", "",
	    number_of(status, "memory_max"));
}

/* ---- the text ---- */

static void
put_family(FILE *file, const struct family *family, json_t *samples)
{
	const char *labels;
	json_t *value;

	fprintf(file, "# HELP culvert_%s %s\n# TYPE culvert_%s %s\n",
	    family->name, family->help, family->name,
	    strstr(family->name, "_total") != NULL ? "counter" : "gauge");
	json_object_foreach(samples, labels, value)
	    fprintf(file, "culvert_%s%s%s%s %.16g\n", family->name,
		labels[0] != '\0' ? "{" : "", labels,
		labels[0] != '\0' ? "}" : "", json_real_value(value));
}

char *
metrics_text(const json_t *status)
{
	struct samples samples = { .failed = false };
	const json_t *destination;
	char *text = NULL;
	size_t i, len;
	FILE *file;

	for (i = 0; i < FAMILIES; i++)
		samples.of[i] = json_object();
	add_process(&samples, status);
	json_array_foreach(json_object_get(status, "destinations"), i,
	    destination) add_destination(&samples, destination);
	file = samples.failed ? NULL : open_memstream(&text, &len);
	for (i = 0; i < FAMILIES; i++) {
		if (file != NULL)
			put_family(file, &families[i], samples.of[i]);
		json_decref(samples.of[i]);
	}
	if (file == NULL || fclose(file) == 0)
		return text;
	free(text);
	return NULL;
}
