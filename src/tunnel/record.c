/*
 * The record of one transfer.
 */
#include "tunnel/record.h"

#include <jansson.h>
#include <math.h>
#include <nettle/base16.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "ftp/command.h"

/* The number of members of a JSON record without path_hex. */
#define RECORD_MEMBERS 20

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

/* NULL and "" are null. */
static json_t *
json_text(const char *text)
{
	char escaped[LOG_ESCAPED_MAX];

	if (text == NULL || *text == '\0')
		return json_null();
	if (log_is_plain(text, true))
		return json_string(text);
	return json_string(
	    log_escape(escaped, sizeof(escaped), text, strlen(text)));
}

static json_t *
json_path(const char *path)
{
	return *path != '\0' ? json_text(path) : json_string("");
}

static bool
has_hex(const struct engine_report *report)
{
	return !log_is_plain(report->name, true);
}

static json_t *
json_hex(const char *text)
{
	size_t len = strlen(text);
	CLEANUP(cleanup_text) char *hex = malloc(BASE16_ENCODE_LENGTH(len));

	if (hex == NULL)
		return NULL;
	base16_encode_update(hex, len, (const uint8_t *)text);
	return json_stringn(hex, BASE16_ENCODE_LENGTH(len));
}

/* RFC 3339, in UTC. */
static json_t *
json_time(const struct timespec *time)
{
	char text[40];
	struct tm tm;

	gmtime_r(&time->tv_sec, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	return json_sprintf("%s.%03ldZ", text, time->tv_nsec / 1000000);
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

/* null if it is below least: then it is not known. */
static json_t *
json_number(int64_t number, int64_t least)
{
	return number < least ? json_null() : json_integer(number);
}

/* Rounded to milliseconds, which is all that the clock has. */
static json_t *
json_seconds(double seconds)
{
	return seconds < 0 ? json_null() :
			     json_real(round(seconds * 1000) / 1000);
}

static json_t *
json_record(const struct record *record)
{
	const struct engine_report *report = record->report;
	const struct log_origin *origin = record->origin;
	const char *verb = verb_name(report->verb);
	json_t *json = json_object();

	json_object_set_new(json, "time", json_time(&record->time));
	json_object_set_new(json, "tunnel", json_text(origin->tunnel));
	json_object_set_new(json, "session",
	    json_integer((json_int_t)origin->session));
	json_object_set_new(json, "client", json_text(origin->peer));
	if (record->server != NULL)
		json_object_set_new(json, "server", json_text(record->server));
	json_object_set_new(json, "user", json_text(report->user));
	json_object_set_new(json, "verb",
	    json_string(*verb != '\0' ? verb : "SITE"));
	json_object_set_new(json, "path", json_path(report->name));
	if (has_hex(report))
		json_object_set_new(json, "path_hex", json_hex(report->name));
	json_object_set_new(json, "direction",
	    json_string(report->upload ? "upload" : "download"));
	json_object_set_new(json, "type", json_stringn(&report->type, 1));
	json_object_set_new(json, "offset",
	    json_integer((json_int_t)report->offset));
	json_object_set_new(json, "size", json_number(report->size, 0));
	json_object_set_new(json, "bytes",
	    json_integer((json_int_t)report->bytes));
	json_object_set_new(json, "seconds", json_seconds(record->seconds));
	if (record->losses.n > 0) {
		json_object_set_new(json, "losses",
		    json_integer(record->losses.n));
		json_object_set_new(json, "lost_seconds",
		    json_seconds((double)record->losses.ms / 1000));
	}
	json_object_set_new(json, "client_side", json_way(&report->client));
	json_object_set_new(json, "server_side", json_way(&report->server));
	json_object_set_new(json, "sha256", json_text(record->sha256));
	json_object_set_new(json, "outcome",
	    json_string(record_outcome(report->outcome)));
	json_object_set_new(json, "server_reply",
	    json_number(report->server_code, 1));
	json_object_set_new(json, "client_reply",
	    json_number(report->client_code, 1));
	json_object_set_new(json, "why", json_text(report->why));
	return json;
}

/* Like json_dumps(), which may leave out the name of a member when out of
 * memory (jansson 2.14). */
static char *
json_line(const json_t *json)
{
	const size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(12);
	size_t len = json_dumpb(json, NULL, 0, flags);
	char *text = len > 0 ? malloc(len + 1) : NULL;

	if (text == NULL)
		return NULL;
	if (json_dumpb(json, text, len, flags) != len) {
		free(text);
		return NULL;
	}
	text[len] = '\0';
	return text;
}

char *
record_json(const struct record *record)
{
	json_t *json = json_record(record);
	size_t n = RECORD_MEMBERS;
	char *text = NULL;

	n += has_hex(record->report);
	n += record->server != NULL;
	n += record->losses.n > 0 ? 2 : 0;
	/* A member is missing if memory was short: then it is no record. */
	if (json_object_size(json) == n)
		text = json_line(json);
	json_decref(json);
	return text;
}

/* ---- xferlog(5) ---- */

static bool
is_of_a_file(const struct engine_report *report)
{
	return report->verb == VERB_RETR || report->verb == VERB_STOR ||
	    report->verb == VERB_STOU || report->verb == VERB_APPE;
}

/* One word: blanks and control characters become "_", as FTP servers write
 * them.  NULL when out of memory. */
static char *
word_of(const char *text)
{
	char *word = strdup(text[0] != '\0' ? text : "?");

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

char *
record_xferlog(const struct record *record)
{
	const struct engine_report *report = record->report;
	CLEANUP(cleanup_text) char *name = word_of(report->name);
	CLEANUP(cleanup_text) char *user = word_of(report->user);
	bool ascii = report->type == 'A' || report->type == 'E';
	char time[40], host[ADDR_TEXT_MAX], *text;
	struct tm tm;

	if (!is_of_a_file(report) || report->outcome == ENGINE_REFUSED)
		return strdup("");
	if (name == NULL || user == NULL)
		return NULL;
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
