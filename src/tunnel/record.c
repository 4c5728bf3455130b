/*
 * The record of one transfer.
 */
#include "tunnel/record.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "ftp/command.h"

const char *
record_outcome(enum engine_outcome outcome)
{
	static const char *const names[] = {
		[ENGINE_COMPLETE] = "complete",
		[ENGINE_REFUSED] = "refused",
		[ENGINE_ABORTED] = "aborted",
		[ENGINE_TRUNCATED] = "truncated",
	};

	return names[outcome];
}

/* ---- JSON ---- */

/* NULL is null. */
static json_t *
json_text(const char *text)
{
	char escaped[LOG_ESCAPED_MAX];

	if (text == NULL)
		return json_null();
	if (log_is_plain(text, true))
		return json_string(text);
	return json_string(
	    log_escape(escaped, sizeof(escaped), text, strlen(text)));
}

static json_t *
json_hex(const char *text)
{
	size_t len = strlen(text);
	char *hex = malloc(2 * len + 1);
	json_t *json;

	if (hex == NULL)
		return NULL;
	hex[0] = '\0';
	for (size_t i = 0; i < len; i++)
		snprintf(hex + 2 * i, 3, "%02x", (unsigned char)text[i]);
	json = json_string(hex);
	free(hex);
	return json;
}

/* RFC 3339, in UTC. */
static json_t *
json_time(const struct timespec *time)
{
	char text[40], all[64];
	struct tm tm;

	gmtime_r(&time->tv_sec, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(all, sizeof(all), "%s.%03ldZ", text, time->tv_nsec / 1000000);
	return json_string(all);
}

static json_t *
json_way(const struct engine_way *way)
{
	char text[ADDR_TEXT_MAX];

	if (way->verb == VERB_OTHER)
		return json_null();
	if (way->at.family != AF_UNSPEC)
		addr_format(&way->at, text);
	else
		snprintf(text, sizeof(text), "%u", way->at.port);
	return json_pack("{s:s, s:s, s:s}", "mode",
	    way->active ? "active" : "passive", "verb", verb_name(way->verb),
	    "address", text);
}

/* A number that is not known is null. */
static json_t *
json_count(int64_t count)
{
	return count < 0 ? json_null() : json_integer(count);
}

/* Milliseconds are all that the clock has. */
static json_t *
json_seconds(double seconds)
{
	return seconds < 0 ? json_null() :
			     json_real(round(seconds * 1000) / 1000);
}

static json_t *
json_code(unsigned code)
{
	return code == 0 ? json_null() : json_integer((json_int_t)code);
}

static const char *
verb_text(const struct engine_report *report)
{
	const char *verb = verb_name(report->verb);

	return *verb != '\0' ? verb : "SITE";
}

static json_t *
json_record(const struct record *record)
{
	const struct engine_report *report = record->report;
	const struct log_origin *origin = record->origin;
	const char *user = report->user[0] != '\0' ? report->user : NULL;
	const char *why = report->why[0] != '\0' ? report->why : NULL;
	char type[2] = { report->type, '\0' };
	const char *path;
	json_t *json;

	json = json_pack("{s:o, s:o, s:I, s:o, s:o, s:s, s:o}", "time",
	    json_time(&record->time), "tunnel", json_text(origin->tunnel),
	    "session", (json_int_t)origin->session, "client",
	    json_text(origin->peer), "user", json_text(user), "verb",
	    verb_text(report), "path", json_text(report->name));
	if (json == NULL)
		return NULL;
	path = json_string_value(json_object_get(json, "path"));
	if (path != NULL && strcmp(path, report->name) != 0)
		json_object_set_new(json, "path_hex", json_hex(report->name));
	json_object_update_new(json,
	    json_pack("{s:s, s:s, s:I, s:o, s:I, s:o, s:o, s:o, s:o}",
		"direction", report->upload ? "upload" : "download", "type",
		type, "offset", (json_int_t)report->offset, "size",
		json_count(report->size), "bytes", (json_int_t)report->bytes,
		"seconds", json_seconds(record->seconds), "client_side",
		json_way(&report->client), "server_side",
		json_way(&report->server), "sha256",
		json_text(record->sha256)));
	json_object_update_new(json,
	    json_pack("{s:s, s:o, s:o, s:o}", "outcome",
		record_outcome(report->outcome), "server_reply",
		json_code(report->server_code), "client_reply",
		json_code(report->client_code), "why", json_text(why)));
	return json;
}

/* With a newline behind it.  NULL stays NULL. */
static char *
line_of(char *text, size_t *ret_len)
{
	size_t len = text != NULL ? strlen(text) : 0;
	char *line = text != NULL ? realloc(text, len + 2) : NULL;

	if (line == NULL) {
		free(text);
		return NULL;
	}
	memcpy(line + len, "\n", 2);
	*ret_len = len + 1;
	return line;
}

char *
record_json(const struct record *record, size_t *ret_len)
{
	json_t *json = json_record(record);
	char *text = NULL;

	/* All of its keys, or it is no record. */
	if (json != NULL && json_object_size(json) >= 20)
		text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(12));
	json_decref(json);
	return line_of(text, ret_len);
}

/* ---- xferlog(5) ---- */

static bool
is_of_a_file(const struct engine_report *report)
{
	return report->verb == VERB_RETR || report->verb == VERB_STOR ||
	    report->verb == VERB_STOU || report->verb == VERB_APPE;
}

/* One word: what is no letter is "_", as the servers have it. */
static char *
word_of(const char *text, const char *otherwise)
{
	char *word = strdup(text[0] != '\0' ? text : otherwise);

	for (char *at = word; at != NULL && *at != '\0'; at++)
		if ((unsigned char)*at <= ' ' || *at == 0x7f)
			*at = '_';
	return word;
}

static bool
is_anonymous(const char *user)
{
	return strcasecmp(user, "anonymous") == 0 ||
	    strcasecmp(user, "ftp") == 0;
}

/* The address without its port. */
static const char *
record_host_of(const char *peer, char *text, size_t size)
{
	const char *colon = strrchr(peer, ':');

	snprintf(text, size, "%.*s",
	    colon != NULL ? (int)(colon - peer) : (int)strlen(peer), peer);
	for (char *at = text; *at != '\0'; at++)
		if (*at == ' ')
			*at = '_';
	return text;
}

/* Of name and user one word each.  NULL when out of memory. */
static char *
xferlog_text(const struct record *record, const char *name, const char *user)
{
	const struct engine_report *report = record->report;
	bool ascii = report->type == 'A' || report->type == 'E';
	char time[40], host[ADDR_TEXT_MAX], *text;
	struct tm tm;

	localtime_r(&record->time.tv_sec, &tm);
	strftime(time, sizeof(time), "%a %b %e %H:%M:%S %Y", &tm);
	if (asprintf(&text, "%s %.0f %s %llu %s %c _ %c %c %s ftp 0 * %c", time,
		record->seconds > 1 ? ceil(record->seconds) : 1.0,
		record_host_of(record->origin->peer, host, sizeof(host)),
		(unsigned long long)report->bytes, name, ascii ? 'a' : 'b',
		report->upload ? 'i' : 'o',
		is_anonymous(report->user) ? 'a' : 'r', user,
		report->outcome == ENGINE_COMPLETE ? 'c' : 'i') < 0)
		return NULL;
	return text;
}

char *
record_xferlog(const struct record *record, size_t *ret_len)
{
	const struct engine_report *report = record->report;
	CLEANUP(cleanup_text) char *name = word_of(report->name, "?");
	CLEANUP(cleanup_text) char *user = word_of(report->user, "?");

	*ret_len = 0;
	if (name == NULL || user == NULL)
		return NULL;
	if (!is_of_a_file(report) || report->outcome == ENGINE_REFUSED)
		return strdup("");
	return line_of(xferlog_text(record, name, user), ret_len);
}
