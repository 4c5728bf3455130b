/*
 * What culvert counts, in Prometheus' text format (prometheus.io/docs,
 * "Exposition formats"), by its conventions for names.
 *
 * A row is a tunnel, or a destination, of its labels; what has the same labels
 * (a tunnel that leaves, and its successor) is one row.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "process/destination.h"
#include "process/metrics.h"
#include "tunnel/record.h"

#define LABELS_MAX 700

/* Bytes of a value, of which a backslash takes two. */
#define VALUE_MAX 256

struct tunnel_row {
	char labels[LABELS_MAX];
	struct tunnel_stats stats;
	uint64_t sessions, waiting, running[INFO_DIRECTIONS];
	bool listening;
};

struct destination_row {
	char labels[LABELS_MAX];
	struct reconnect_info link;
	bool up, down; /* one of them is */
};

struct rows {
	struct tunnel_row *tunnels;
	size_t n_tunnels;
	struct destination_row *destinations;
	size_t n_destinations;
	bool failed; /* out of memory */
};

/* ---- labels ---- */

/* A label's value: backslash, quote and newline are escaped. */
static void
add_value(char *labels, const char *value)
{
	size_t len = strlen(labels);

	for (; *value != '\0' && len < LABELS_MAX - 8; value++) {
		if (*value == '\\' || *value == '"' || *value == '\n')
			labels[len++] = '\\';
		labels[len++] = *value;
		if (*value == '\n')
			labels[len - 1] = 'n';
	}
	labels[len] = '\0';
}

/* Adds one; labels is "" at first. */
static void
add_label(char *labels, const char *name, const char *value)
{
	size_t len = strlen(labels);
	char escaped[VALUE_MAX];

	snprintf(labels + len, LABELS_MAX - len, "%s%s=\"", len > 0 ? "," : "",
	    name);
	if (strlen(value) >= sizeof(escaped) || !log_is_plain(value, false))
		value =
		    log_escape(escaped, sizeof(escaped), value, strlen(value));
	add_value(labels, value);
	len = strlen(labels);
	snprintf(labels + len, LABELS_MAX - len, "\"");
}

/* ---- rows ---- */

static struct tunnel_row *
tunnel_row(struct rows *rows, const char *labels)
{
	struct tunnel_row *grown;

	for (size_t i = 0; i < rows->n_tunnels; i++)
		if (strcmp(rows->tunnels[i].labels, labels) == 0)
			return &rows->tunnels[i];
	grown = realloc(rows->tunnels, (rows->n_tunnels + 1) * sizeof(*grown));
	if (grown == NULL) {
		rows->failed = true;
		return NULL;
	}
	rows->tunnels = grown;
	memset(&grown[rows->n_tunnels], 0, sizeof(*grown));
	snprintf(grown[rows->n_tunnels].labels, LABELS_MAX, "%s", labels);
	return &grown[rows->n_tunnels++];
}

static struct destination_row *
destination_row(struct rows *rows, const char *labels)
{
	struct destination_row *grown;

	for (size_t i = 0; i < rows->n_destinations; i++)
		if (strcmp(rows->destinations[i].labels, labels) == 0)
			return &rows->destinations[i];
	grown = realloc(rows->destinations,
	    (rows->n_destinations + 1) * sizeof(*grown));
	if (grown == NULL) {
		rows->failed = true;
		return NULL;
	}
	rows->destinations = grown;
	memset(&grown[rows->n_destinations], 0, sizeof(*grown));
	snprintf(grown[rows->n_destinations].labels, LABELS_MAX, "%s", labels);
	return &grown[rows->n_destinations++];
}

static void
count_session(void *ctx, const struct session_info *session)
{
	struct tunnel_row *row = ctx;

	row->sessions++;
	for (size_t i = 0; i < session->n_transfers; i++)
		row->running[session->transfers[i].upload]++;
}

static void
add_listener(struct rows *rows, const struct listener *listener)
{
	const char *name = listener->entry->config->name;
	char labels[LABELS_MAX] = "", at[4 * ADDR_TEXT_MAX];
	struct tunnel_row *row;

	add_label(labels, "tunnel", name != NULL ? name : "");
	add_label(labels, "listening",
	    tunnel_address(listener->tunnel, at, sizeof(at)));
	row = tunnel_row(rows, labels);
	if (row == NULL)
		return;
	tunnel_stats_add(&row->stats, tunnel_stats(listener->tunnel));
	row->waiting += tunnel_waiting(listener->tunnel);
	row->listening |= listener->listening && !listener->entry->leaving;
	tunnel_each_session(listener->tunnel, count_session, row);
}

static void
add_destination(struct rows *rows, const struct destination *destination)
{
	const struct listener *listener;
	const struct entry *entry;
	char labels[LABELS_MAX] = "";
	struct reconnect_info info;
	struct destination_row *row;

	reconnect_describe(destination->reconnect, &info);
	add_label(labels, "destination",
	    destination->config->options.destination);
	row = destination_row(rows, labels);
	if (row != NULL) {
		row->up |= info.state == RECONNECT_UP;
		row->down |=
		    info.state != RECONNECT_UP && !destination->leaving;
		row->link.losses += info.losses;
		row->link.links += info.links;
		if (info.round_trip_us > 0)
			row->link.round_trip_us = info.round_trip_us;
	}
	TAILQ_FOREACH (entry, &destination->entries, link)
		TAILQ_FOREACH (listener, &entry->listeners, link)
			add_listener(rows, listener);
}

/* ---- the text ---- */

static void
head(FILE *file, const char *name, const char *type, const char *help)
{
	fprintf(file, "# HELP culvert_%s %s\n# TYPE culvert_%s %s\n", name,
	    help, name, type);
}

/* Of each tunnel, one value. */
#define PUT_TUNNELS(file, rows, name, type, help, value)                    \
	do {                                                                \
		head((file), (name), (type), (help));                       \
		for (size_t i = 0; i < (rows)->n_tunnels; i++) {            \
			const struct tunnel_row *row = &(rows)->tunnels[i]; \
			fprintf((file), "culvert_%s{%s} %" PRIu64 "\n",     \
			    (name), row->labels, (uint64_t)(value));        \
		}                                                           \
	} while (0)

static const char *const directions[] = {
	[ENGINE_CLIENT] = "download",
	[ENGINE_SERVER] = "upload",
};

static void
put_sessions(FILE *file, const struct rows *rows)
{
	PUT_TUNNELS(file, rows, "tunnel_listening", "gauge",
	    "Whether clients can connect.", row->listening);
	PUT_TUNNELS(file, rows, "sessions", "gauge",
	    "Control connections through the tunnel now.", row->sessions);
	PUT_TUNNELS(file, rows, "sessions_total", "counter",
	    "Control connections that have begun.", row->stats.sessions);
	PUT_TUNNELS(file, rows, "clients_waiting", "gauge",
	    "Clients that wait for the SSH connection.", row->waiting);
	head(file, "clients_refused_total", "counter",
	    "Clients that were turned away, by reason.");
	for (size_t i = 0; i < rows->n_tunnels; i++)
		for (int j = 0; j < REFUSALS; j++)
			fprintf(file,
			    "culvert_clients_refused_total{%s,reason=\"%s\"} "
			    "%" PRIu64 "\n",
			    rows->tunnels[i].labels,
			    refusal_name((enum refusal)j),
			    rows->tunnels[i].stats.refusals[j]);
}

static void
put_transfers(FILE *file, const struct rows *rows)
{
	head(file, "transfers", "gauge", "Transfers that run now.");
	for (size_t i = 0; i < rows->n_tunnels; i++)
		for (int j = 0; j < INFO_DIRECTIONS; j++)
			fprintf(file,
			    "culvert_transfers{%s,direction=\"%s\"} %" PRIu64
			    "\n",
			    rows->tunnels[i].labels, directions[j],
			    rows->tunnels[i].running[j]);
	head(file, "transfers_total", "counter",
	    "Transfers that have ended, by direction and outcome.");
	for (size_t i = 0; i < rows->n_tunnels; i++)
		for (int j = 0; j < INFO_DIRECTIONS; j++)
			for (int k = 0; k < INFO_OUTCOMES; k++)
				fprintf(file,
				    "culvert_transfers_total{%s,"
				    "direction=\"%s\",outcome=\"%s\"} %" PRIu64
				    "\n",
				    rows->tunnels[i].labels, directions[j],
				    record_outcome((enum engine_outcome)k),
				    rows->tunnels[i].stats.transfers[j][k]);
	head(file, "transfer_bytes_total", "counter",
	    "Bytes of data connections, by direction.");
	for (size_t i = 0; i < rows->n_tunnels; i++)
		for (int j = 0; j < INFO_DIRECTIONS; j++)
			fprintf(file,
			    "culvert_transfer_bytes_total{%s,"
			    "direction=\"%s\"} %" PRIu64 "\n",
			    rows->tunnels[i].labels, directions[j],
			    rows->tunnels[i].stats.bytes[j]);
}

#define PUT_DESTINATIONS(file, rows, name, type, help, value)           \
	do {                                                            \
		head((file), (name), (type), (help));                   \
		for (size_t i = 0; i < (rows)->n_destinations; i++) {   \
			const struct destination_row *row =             \
			    &(rows)->destinations[i];                   \
			fprintf((file), "culvert_%s{%s} %" PRIu64 "\n", \
			    (name), row->labels, (uint64_t)(value));    \
		}                                                       \
	} while (0)

static void
put_links(FILE *file, const struct rows *rows)
{
	PUT_DESTINATIONS(file, rows, "link_up", "gauge",
	    "Whether the SSH connection stands.", row->up && !row->down);
	PUT_DESTINATIONS(file, rows, "links", "gauge",
	    "SSH connections to the destination now.", row->link.links);
	PUT_DESTINATIONS(file, rows, "link_losses_total", "counter",
	    "SSH connections that were lost; each is tried again.",
	    row->link.losses);
	head(file, "link_round_trip_seconds", "gauge",
	    "The shortest round trip to sshd that was seen lately.");
	for (size_t i = 0; i < rows->n_destinations; i++) {
		const struct destination_row *row = &rows->destinations[i];

		if (row->link.round_trip_us > 0)
			fprintf(file,
			    "culvert_link_round_trip_seconds{%s} %.6f\n",
			    row->labels, (double)row->link.round_trip_us / 1e6);
	}
}

static void
put_process(FILE *file, const struct shared *shared)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	head(file, "build_info", "gauge", "Its version, as a label.");
	fprintf(file, "culvert_build_info{version=\"%s\"} 1\n",
	    CULVERT_VERSION);
	head(file, "start_time_seconds", "gauge",
	    "When it was started, since the epoch.");
	fprintf(file, "culvert_start_time_seconds %.3f\n",
	    (double)now.tv_sec + (double)now.tv_nsec / 1e9 -
		(double)(uv_now(&shared->loop) - shared->began_at) / 1000);
	head(file, "window_bytes", "gauge",
	    "Receive windows that are promised to peers, or filled.");
	fprintf(file, "culvert_window_bytes %" PRIu64 "\n",
	    shared->budget.used);
	head(file, "window_max_bytes", "gauge",
	    "What they may be together (--max-memory).");
	fprintf(file, "culvert_window_max_bytes %" PRIu64 "\n",
	    shared->budget.max);
}

char *
metrics_text(const struct shared *shared)
{
	struct rows rows = { .failed = false };
	const struct destination *destination;
	char *text = NULL;
	size_t len;
	FILE *file;

	TAILQ_FOREACH (destination, &shared->destinations, link)
		add_destination(&rows, destination);
	file = rows.failed ? NULL : open_memstream(&text, &len);
	if (file != NULL) {
		put_process(file, shared);
		put_links(file, &rows);
		put_sessions(file, &rows);
		put_transfers(file, &rows);
		if (fclose(file) != 0) {
			free(text);
			text = NULL;
		}
	}
	free(rows.tunnels);
	free(rows.destinations);
	return text;
}
