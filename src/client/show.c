/*
 * What culvert status prints for people.
 */
#include "client/show.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

/* Columns of a progress bar, and of a screen that has room for it. */
#define BAR_MAX 20
#define COLUMNS_FOR_BAR 100

struct show {
	const struct show_options *options;
	show_line_cb *line;
	void *ctx;
};

static void say(const struct show *show, long session, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void
say(const struct show *show, long session, const char *format, ...)
{
	char text[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	show->line(show->ctx, session, text);
}

/* ---- values ---- */

static json_int_t
number(const json_t *json, const char *key)
{
	return json_integer_value(json_object_get(json, key));
}

static double
real(const json_t *json, const char *key)
{
	return json_number_value(json_object_get(json, key));
}

/* Returns the string with that key, escaped if it is not already: the peer need
 * not be culvert. */
static const char *
words(const json_t *json, const char *key, char text[LOG_ESCAPED_MAX])
{
	const char *value = json_string_value(json_object_get(json, key));

	return log_show(text, LOG_ESCAPED_MAX, value != NULL ? value : "");
}

/* Shortens the text to at most room bytes, between letters. */
static void
cut_text(char *text, size_t room)
{
	if (strlen(text) <= room)
		return;
	while (room > 0 && ((unsigned char)text[room] & 0xc0) == 0x80)
		room--;
	text[room] = '\0';
}

static bool
is(const json_t *json, const char *key, const char *value)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text != NULL && strcmp(text, value) == 0;
}

/* "1.2 MB" */
static const char *
bytes_text(double bytes, char text[32])
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
	size_t unit = 0;

	while (bytes >= 999.95 && unit < 4) {
		bytes /= 1000;
		unit++;
	}
	snprintf(text, 32, "%.*f %s", unit == 0 ? 0 : 1, bytes, units[unit]);
	return text;
}

/* "2 d 3 h", "45 s" */
static const char *
time_text(double seconds, char text[32])
{
	unsigned long s = seconds < 0 ? 0 : (unsigned long)seconds;

	if (s >= 86400)
		snprintf(text, 32, "%lu d %lu h", s / 86400, s / 3600 % 24);
	else if (s >= 3600)
		snprintf(text, 32, "%lu h %lu min", s / 3600, s / 60 % 60);
	else if (s >= 60)
		snprintf(text, 32, "%lu min %lu s", s / 60, s % 60);
	else
		snprintf(text, 32, "%lu s", s);
	return text;
}

/* ---- transfers ---- */

/* Is old an earlier state of the transfer? */
static bool
show_is_same(const json_t *old, const json_t *transfer)
{
	return json_equal(json_object_get(old, "path"),
		   json_object_get(transfer, "path")) &&
	    number(old, "bytes") <= number(transfer, "bytes") &&
	    real(old, "seconds") < real(transfer, "seconds");
}

/* Returns an earlier state of the transfer, or NULL. */
static const json_t *
earlier(const struct show *show, const json_t *session, const json_t *transfer)
{
	const json_t *destinations =
	    json_object_get(show->options->before, "destinations");
	const json_t *destination, *tunnel, *one, *old;
	size_t i, j, k, l;

	json_array_foreach(destinations, i, destination)
	    json_array_foreach(json_object_get(destination, "tunnels"), j,
		tunnel)
		json_array_foreach(json_object_get(tunnel, "sessions"), k, one)
	{
		if (number(one, "session") != number(session, "session"))
			continue;
		json_array_foreach(json_object_get(one, "transfers"), l, old)
		{
			if (show_is_same(old, transfer))
				return old;
		}
	}
	return NULL;
}

/* Returns bytes per second.  It uses the times in the answers, so that a late
 * answer does not matter. */
static double
rate_of(const struct show *show, const json_t *session, const json_t *transfer)
{
	const json_t *old = earlier(show, session, transfer);
	double seconds = real(transfer, "seconds");
	double bytes = (double)number(transfer, "bytes");

	if (old != NULL) {
		bytes -= (double)number(old, "bytes");
		seconds -= real(old, "seconds");
	}
	return seconds > 0 ? bytes / seconds : 0;
}

static const char *
bar_text(const struct show *show, double share, char text[BAR_MAX + 4])
{
	unsigned full = (unsigned)(share * BAR_MAX + 0.5);

	if (show->options->columns < COLUMNS_FOR_BAR)
		return "";
	text[0] = '[';
	for (unsigned i = 0; i < BAR_MAX; i++)
		text[1 + i] = i < full ? '#' : '.';
	memcpy(text + 1 + BAR_MAX, "] ", 3);
	return text;
}

static void
show_transfer(const struct show *show, const json_t *session,
    const json_t *transfer)
{
	char path[LOG_ESCAPED_MAX], verb[LOG_ESCAPED_MAX], bar[BAR_MAX + 4];
	char done[32], all[32], speed[32], left[32];
	double rate = rate_of(show, session, transfer);
	/* Floating point, because an offset may be very large (REST). */
	double at = (double)number(transfer, "offset") +
	    (double)number(transfer, "bytes");
	double size = (double)number(transfer, "size");
	double share = size <= 0 || at > size ? 1 : at > 0 ? at / size : 0;
	/* In a narrow window, numbers matter more than the name. */
	size_t room =
	    show->options->columns > 90 ? show->options->columns - 82 : 16;

	words(transfer, "path", path);
	cut_text(path, room);
	words(transfer, "verb", verb);
	if (!json_is_integer(json_object_get(transfer, "size"))) {
		say(show, 0, "      %s %s  %s  %s/s", verb, path,
		    bytes_text(at, done), bytes_text(rate, speed));
		return;
	}
	say(show, 0, "      %s %s  %3.0f %% %s%s of %s  %s/s  %s left", verb,
	    path, share * 100, bar_text(show, share, bar), bytes_text(at, done),
	    bytes_text(size, all), bytes_text(rate, speed),
	    rate > 0 ? time_text((size - at) / rate, left) : "?");
}

/* ---- all ---- */

static void
show_session(const struct show *show, const json_t *session)
{
	char client[LOG_ESCAPED_MAX], user[LOG_ESCAPED_MAX], since[32];
	char server[LOG_ESCAPED_MAX];
	const json_t *transfer;
	size_t i;

	words(session, "user", user);
	words(session, "server", server);
	say(show, (long)number(session, "session"),
	    "    session %ld: %s%s%s, %s%s, %s",
	    (long)number(session, "session"), words(session, "client", client),
	    server[0] != '\0' ? " to " : "", server,
	    user[0] != '\0' ? "user " : "nobody has logged in", user,
	    time_text(real(session, "seconds"), since));
	json_array_foreach(json_object_get(session, "transfers"), i, transfer)
	    show_transfer(show, session, transfer);
}

/* "12 complete, 1 truncated"; returns text. */
static const char *
outcomes_text(const json_t *tunnel, char *text, size_t size)
{
	static const char *const names[] = { "complete", "aborted", "truncated",
		"refused" };
	const json_t *transfers = json_object_get(tunnel, "transfers");
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < 4; i++) {
		json_int_t n =
		    number(json_object_get(transfers, "download"), names[i]) +
		    number(json_object_get(transfers, "upload"), names[i]);

		if ((n > 0 || i == 0) && len < size)
			len += (size_t)snprintf(text + len, size - len,
			    "%s%lld %s", len > 0 ? ", " : "", (long long)n,
			    names[i]);
	}
	return text;
}

static void
show_tunnel(const struct show *show, const json_t *tunnel)
{
	char name[LOG_ESCAPED_MAX], at[LOG_ESCAPED_MAX], to[LOG_ESCAPED_MAX];
	char outcomes[200], down[32], up[32];
	const json_t *session, *sessions = json_object_get(tunnel, "sessions");
	bool named = json_is_string(json_object_get(tunnel, "name"));
	size_t i;

	words(tunnel, "name", name);
	words(tunnel, "listening", at);
	say(show, 0, "  %s%s%s%s%s to %s", name, named ? ": " : "",
	    is(tunnel, "state", "listening")   ? "listening on " :
		is(tunnel, "state", "leaving") ? "ending" :
						 "starting on ",
	    is(tunnel, "state", "leaving") ? "" : at,
	    is(tunnel, "kind", "remote") ? " of the SSH server" : "",
	    words(tunnel, "server", to));
	say(show, 0, "    transfers: %s; %s down, %s up",
	    outcomes_text(tunnel, outcomes, sizeof(outcomes)),
	    bytes_text((double)number(tunnel, "bytes_down"), down),
	    bytes_text((double)number(tunnel, "bytes_up"), up));
	if (number(tunnel, "waiting") > 0)
		say(show, 0, "    %lld clients wait for the SSH connection",
		    (long long)number(tunnel, "waiting"));
	/* The oldest first. */
	for (i = json_array_size(sessions); i > 0; i--) {
		session = json_array_get(sessions, i - 1);
		show_session(show, session);
	}
}

static bool
show_is_idle(const json_t *tunnel)
{
	return json_array_size(json_object_get(tunnel, "sessions")) == 0 &&
	    number(tunnel, "waiting") == 0 && is(tunnel, "state", "listening");
}

static size_t
count_idle(const json_t *destination)
{
	const json_t *tunnel;
	size_t i, n = 0;

	json_array_foreach(json_object_get(destination, "tunnels"), i, tunnel)
	    n += show_is_idle(tunnel);
	return n;
}

/* Is the destination in order, and without a session? */
static bool
is_all_idle(const json_t *destination)
{
	return count_idle(destination) ==
	    json_array_size(json_object_get(destination, "tunnels")) &&
	    (is(destination, "state", "up") ||
		is(destination, "state", "resting"));
}

/* The state of its SSH connection.  text may hold it. */
static const char *
show_state(const json_t *destination, char text[LOG_ESCAPED_MAX])
{
	if (is(destination, "state", "resting"))
		return "not connected (on demand)";
	if (is(destination, "state", "pausing"))
		return "waiting to reconnect";
	return words(destination, "state", text);
}

static void
show_destination(const struct show *show, const json_t *destination)
{
	char name[LOG_ESCAPED_MAX], state[LOG_ESCAPED_MAX],
	    why[LOG_ESCAPED_MAX], since[32];
	double round_trip = real(destination, "round_trip") * 1000;
	long links = (long)number(destination, "links");
	long losses = (long)number(destination, "losses");
	char more[200] = "";
	const json_t *tunnel;
	size_t i, len = 0;

	if (links > 1)
		len += (size_t)snprintf(more, sizeof(more),
		    ", %ld SSH connections", links);
	if (round_trip > 0)
		len += (size_t)snprintf(more + len, sizeof(more) - len,
		    ", round trip %.*f ms", round_trip < 10 ? 1 : 0,
		    round_trip);
	if (losses > 0)
		snprintf(more + len, sizeof(more) - len, ", lost %ld time%s",
		    losses, losses == 1 ? "" : "s");
	words(destination, "why", why);
	say(show, 0, "%s: %s for %s%s%s%s",
	    words(destination, "destination", name),
	    show_state(destination, state),
	    time_text(real(destination, "seconds"), since), more,
	    why[0] != '\0' ? ": " : "", why);
	json_array_foreach(json_object_get(destination, "tunnels"), i, tunnel)
	{
		if (!show->options->hide_idle || !show_is_idle(tunnel))
			show_tunnel(show, tunnel);
	}
}

void
show_status(const json_t *status, const struct show_options *options,
    show_line_cb *line, void *ctx)
{
	const struct show show = { options, line, ctx };
	char version[LOG_ESCAPED_MAX], state[LOG_ESCAPED_MAX], since[32];
	long sessions = (long)number(status, "sessions");
	const json_t *destination;
	size_t i, hidden = 0;

	say(&show, 0, "culvert %s, process %ld, %s for %s, %ld session%s",
	    words(status, "version", version), (long)number(status, "pid"),
	    words(status, "state", state),
	    time_text(real(status, "seconds"), since), sessions,
	    sessions == 1 ? "" : "s");
	json_array_foreach(json_object_get(status, "destinations"), i,
	    destination)
	{
		hidden += count_idle(destination);
		if (!options->hide_idle || !is_all_idle(destination))
			show_destination(&show, destination);
	}
	if (options->hide_idle && hidden > 0)
		say(&show, 0, "%zu idle tunnel%s hidden", hidden,
		    hidden == 1 ? " is" : "s are");
}
