/*
 * The control socket.
 */
#include "process/control.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "process/app.h"
#include "base/log.h"
#include "limits.h"
#include "net/sock.h"
#include "process/metrics.h"
#include "process/status.h"

/* Someone who has connected. */
struct asker {
	LIST_ENTRY(asker) link;
	struct control_socket *control;
	struct stream *stream;
	bool waits; /* for the end of a reload */
	bool ended; /* asks nothing more, but waits */
	char line[LIMIT_CONTROL_REQUEST];
	size_t len;
};

struct control_socket {
	struct app *app;
	struct net_listener *listener;
	LIST_HEAD(, asker) askers;
	size_t n_askers;
};

static void
control_forget(struct asker *asker)
{
	LIST_REMOVE(asker, link);
	asker->control->n_askers--;
	free(asker);
}

/* He has all answers, or will have. */
static void
control_finish(struct asker *asker)
{
	stream_finish(asker->stream);
	control_forget(asker);
}

/* ---- answers ---- */

/* NULL: there was no memory for it.  Who does not read his answers is asked
 * for no more requests. */
static void
answer(struct asker *asker, const char *text)
{
	if (text == NULL)
		text = "{\"error\":\"out of memory\"}\n";
	if (stream_write(asker->stream, text, strlen(text)) != 0)
		log_verbose("an answer on the control socket was lost");
	if (stream_queued(asker->stream) > LIMIT_HIGH_WATER)
		stream_read_stop(asker->stream);
}

/* json: NULL, there was no memory for it; else it is taken over. */
static void
answer_json(struct asker *asker, json_t *json)
{
	char *text = NULL, *line = NULL;

	if (json != NULL)
		text = json_dumps(json, JSON_COMPACT);
	if (text != NULL && asprintf(&line, "%s\n", text) < 0)
		line = NULL;
	answer(asker, line);
	free(line);
	free(text);
	json_decref(json);
}

/* why may quote anything. */
static void
answer_error(struct asker *asker, const char *why)
{
	char escaped[LOG_ESCAPED_MAX];

	if (!log_is_plain(why, false))
		why = log_escape(escaped, sizeof(escaped), why, strlen(why));
	answer_json(asker, json_pack("{s:s}", "error", why));
}

static void
answer_done(struct asker *asker, bool done, const char *why)
{
	if (done)
		answer(asker, "{\"ok\":true}\n");
	else
		answer_error(asker, why);
}

/* ---- requests ---- */

static void
do_status(struct asker *asker, const json_t *request)
{
	char *text = status_text(asker->control->app);

	(void)request;
	answer(asker, text);
	free(text);
}

static void
do_metrics(struct asker *asker, const json_t *request)
{
	char *text = metrics_text(asker->control->app);

	(void)request;
	answer_json(asker,
	    text == NULL ? NULL : json_pack("{s:s}", "metrics", text));
	free(text);
}

static void
do_to(struct asker *asker, const json_t *request, enum app_order order)
{
	const json_t *tunnel = json_object_get(request, "tunnel");
	const char *name = json_string_value(tunnel);
	char why[300] = "";
	bool done;

	/* All of it is only meant by who names none. */
	if (tunnel != NULL && name == NULL) {
		answer_error(asker, "the name of a tunnel is a text");
		return;
	}
	done = app_obey(asker->control->app, order, name, why, sizeof(why));
	/* Whether the file is right is not known yet. */
	asker->waits = order == APP_RELOAD && done;
	if (!asker->waits)
		answer_done(asker, done, why);
}

static void
do_stop(struct asker *asker, const json_t *request)
{
	do_to(asker, request, APP_STOP);
}

static void
do_drain(struct asker *asker, const json_t *request)
{
	do_to(asker, request, APP_DRAIN);
}

static void
do_reload(struct asker *asker, const json_t *request)
{
	do_to(asker, request, APP_RELOAD);
}

static void
do_end(struct asker *asker, const json_t *request)
{
	const json_t *number = json_object_get(request, "session");
	bool done = json_is_integer(number) &&
	    app_end_session(asker->control->app,
		(unsigned long)json_integer_value(number));

	answer_done(asker, done, "there is no such session");
}

static const struct {
	const char *name;
	void (*run)(struct asker *asker, const json_t *request);
} requests[] = {
	{ "status", do_status },
	{ "metrics", do_metrics },
	{ "stop", do_stop },
	{ "drain", do_drain },
	{ "reload", do_reload },
	{ "end", do_end },
};

static void
control_take_line(struct asker *asker, const char *line, size_t len)
{
	json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	const char *name = json_string_value(json_object_get(request, "do"));

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		if (name == NULL || strcmp(name, requests[i].name) != 0)
			continue;
		requests[i].run(asker, request);
		json_decref(request);
		return;
	}
	answer_error(asker,
	    request == NULL ? "that is no JSON" : "there is no such request");
	json_decref(request);
}

void
control_reloaded(struct control_socket *control, const char *why)
{
	struct asker *asker, *next;

	for (asker = LIST_FIRST(&control->askers); asker != NULL;
	     asker = next) {
		next = LIST_NEXT(asker, link);
		if (!asker->waits)
			continue;
		answer_done(asker, why == NULL, why);
		asker->waits = false;
		if (asker->ended)
			control_finish(asker);
	}
}

/* ---- connections ---- */

static void
control_on_data(void *ctx, const struct iovec *pieces, size_t n)
{
	struct asker *asker = ctx;

	for (size_t i = 0; i < n; i++) {
		const char *bytes = pieces[i].iov_base;

		for (size_t at = 0; at < pieces[i].iov_len; at++) {
			if (bytes[at] != '\n') {
				if (asker->len < sizeof(asker->line))
					asker->line[asker->len++] = bytes[at];
				continue;
			}
			control_take_line(asker, asker->line, asker->len);
			asker->len = 0;
		}
	}
}

static void
control_on_eof(void *ctx)
{
	struct asker *asker = ctx;

	asker->ended = true;
	if (!asker->waits)
		control_finish(asker);
}

static void
control_on_drained(void *ctx)
{
	struct asker *asker = ctx;

	if (!asker->ended)
		stream_read_start(asker->stream);
}

static void
control_on_closed(void *ctx, int err, const char *why)
{
	struct asker *asker = ctx;

	(void)err;
	(void)why;
	stream_close(asker->stream);
	control_forget(asker);
}

static const struct stream_handler asker_handler = {
	.data = control_on_data,
	.eof = control_on_eof,
	.drained = control_on_drained,
	.closed = control_on_closed,
};

static bool
may_ask(const struct stream *stream)
{
	uid_t uid;

	return net_stream_user(stream, &uid) == 0 &&
	    (uid == 0 || uid == geteuid());
}

static void
control_on_accepted(void *ctx, struct stream *stream)
{
	struct control_socket *control = ctx;
	struct asker *asker = NULL;

	if (may_ask(stream) && control->n_askers < LIMIT_CONTROL_ASKERS)
		asker = calloc(1, sizeof(*asker));
	if (asker == NULL) {
		log_verbose("refused somebody at the control socket");
		stream_close(stream);
		return;
	}
	asker->control = control;
	asker->stream = stream;
	LIST_INSERT_HEAD(&control->askers, asker, link);
	control->n_askers++;
	stream_set_handler(stream, &asker_handler, asker);
	stream_read_start(stream);
}

struct control_socket *
control_open(struct app *app)
{
	struct control_socket *control = calloc(1, sizeof(*control));
	char path[PRIVDIR_MAX + sizeof("/" CONTROL_NAME)];
	int err = -ENOMEM;

	snprintf(path, sizeof(path), "%s/%s", app->directory, CONTROL_NAME);
	if (control != NULL) {
		control->app = app;
		LIST_INIT(&control->askers);
		control->listener = net_listen_unix(app->net, path,
		    control_on_accepted, control, &err);
	}
	if (control != NULL && control->listener != NULL)
		err = net_listener_start(control->listener);
	if (err == 0)
		return control;
	log_warn("culvert status will not find this one: %s: %s", path,
	    strerror(-err));
	if (control != NULL)
		net_listener_close(control->listener);
	free(control);
	return NULL;
}

void
control_close(struct control_socket *control)
{
	struct asker *asker;

	if (control == NULL)
		return;
	net_listener_close(control->listener);
	while ((asker = LIST_FIRST(&control->askers)) != NULL) {
		stream_close(asker->stream);
		control_forget(asker);
	}
	free(control);
}
