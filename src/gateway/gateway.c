/*
 * The gateway's core: the life of a session, its channels, and which command
 * runs.
 */
#include "gateway/gateway.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ftp/command.h"
#include "gateway/priv.h"

/* ---- replies ---- */

void
gateway_send(struct gateway *gateway, const void *bytes, size_t len)
{
	if (gateway->state != GATEWAY_OVER)
		gateway->handler->reply(gateway->ctx, bytes, len);
}

static void __attribute__((format(printf, 2, 0)))
gateway_vreply(struct gateway *gateway, const char *format, va_list ap)
{
	char *line;
	int len = vasprintf(&line, format, ap);

	if (len < 0) {
		gateway_send(gateway, "451 Out of memory.\r\n", 20);
		return;
	}
	gateway_send(gateway, line, (size_t)len);
	gateway_send(gateway, "\r\n", 2);
	free(line);
}

void
gateway_reply(struct gateway *gateway, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	gateway_vreply(gateway, format, ap);
	va_end(ap);
}

void
gateway_finish(struct gateway *gateway, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	gateway_vreply(gateway, format, ap);
	va_end(ap);
	files_free(&gateway->simple);
	gateway->busy = false;
}

void
gateway_refuse(struct gateway *gateway, enum status_of of,
    const struct sftp_reply *reply)
{
	char text[STATUS_TEXT_MAX];
	unsigned code = status_to_ftp(of, reply, text);

	/* The session goes on. */
	if (reply->type == SFTP_REPLY_STATUS &&
	    reply->status == SFTP_CONNECTION_LOST &&
	    gateway->channels[0].state != CHANNEL_LOST)
		code = 450;
	gateway_finish(gateway, "%u %s.", code, text);
}

void
gateway_refuse_change(struct gateway *gateway)
{
	gateway_finish(gateway, "550 This user may not change anything.");
}

void
gateway_give_up(struct gateway *gateway, const char *why)
{
	if (gateway->state == GATEWAY_OVER)
		return;
	if (gateway->task != NULL)
		gateway->task->ops->stop(gateway->task, TASK_FAILED);
	spare_drop(gateway);
	gateway->state = GATEWAY_OVER;
	gateway->busy = true;
	gateway->handler->fail(gateway->ctx, gateway->home != NULL, why);
}

void
gateway_close(struct gateway *gateway)
{
	gateway->state = GATEWAY_OVER;
	gateway->busy = true;
	gateway->handler->end(gateway->ctx);
}

/* ---- requests ---- */

int64_t
gateway_now(struct gateway *gateway)
{
	return gateway->handler->now(gateway->ctx);
}

bool
gateway_ok(const struct sftp_reply *reply)
{
	return reply->type != SFTP_REPLY_STATUS || reply->status == SFTP_OK;
}

bool
gateway_is_lost(const struct sftp_reply *reply)
{
	return reply->type == SFTP_REPLY_STATUS &&
	    (reply->status == SFTP_CONNECTION_LOST ||
		reply->status == SFTP_NO_CONNECTION);
}

struct sftp_string
sftp_string_copy(const struct sftp_string *string)
{
	uint8_t *bytes = malloc(string->len + 1);

	if (bytes != NULL && string->len > 0)
		memcpy(bytes, string->bytes, string->len);
	return (struct sftp_string) { bytes, string->len };
}

bool
gateway_request(struct gateway *gateway, const struct sftp_request *request,
    sftp_reply_cb *done, void *ctx)
{
	int err =
	    sftp_send(gateway->channels[0].sftp, request, NULL, 0, done, ctx);

	gateway->quiet_s = 0;
	if (err == 0)
		return true;
	if (err == -EINVAL)
		gateway_finish(gateway, "553 The name is too long.");
	else if (err == -ENOSYS)
		gateway_finish(gateway,
		    "550 The SFTP server does not support %s.",
		    sftp_op_name(request->op));
	else
		gateway_finish(gateway, "451 %s.", strerror(-err));
	return false;
}

void
gateway_request_only(struct gateway *gateway,
    const struct sftp_request *request)
{
	(void)sftp_send(gateway->channels[0].sftp, request, NULL, 0, NULL,
	    NULL);
}

void
gateway_channel_read_it(struct gateway *gateway, bool on)
{
	struct gateway_channel *channel = &gateway->channels[0];

	if (channel->state != CHANNEL_READY || channel->stopped == !on)
		return;
	channel->stopped = !on;
	gateway->handler->channel_read(gateway->ctx, 0, on);
}

uint32_t
gateway_block(const struct gateway *gateway, uint32_t server)
{
	uint32_t most = gateway->config->max_packet;

	return most != 0 && most < server ? most : server;
}

/* ---- tasks ---- */

void
task_begin(struct gateway *gateway, struct task *task,
    const struct task_ops *ops)
{
	assert(gateway->task == NULL);
	task->gateway = gateway;
	task->ops = ops;
	gateway->task = task;
	gateway->busy = true;
}

void
task_end(struct gateway *gateway)
{
	struct task *task = gateway->task;

	for (unsigned i = 0; i < GATEWAY_CHANNELS; i++)
		if (gateway->channels[i].sftp != NULL)
			sftp_forget(gateway->channels[i].sftp, task);
	gateway->task = NULL;
	task->ops->free(task);
}

/* ---- the session's commands ---- */

/* Looks at the new lines of the client for ABOR. */
static void
gateway_look_for_abort(struct gateway *gateway)
{
	const uint8_t *line, *end;
	struct command command;
	size_t len;

	while (gateway->looked_at < line_reader_len(&gateway->input)) {
		line = line_reader_behind(&gateway->input, gateway->looked_at,
		    &len);
		end = memchr(line, '\n', len);
		if (end == NULL)
			return;
		len = (size_t)(end - line) + 1;
		command_parse(line, line_text_len(line, len), &command);
		gateway->looked_at += len;
		if (command.verb == VERB_ABOR)
			gateway->abort_end = gateway->looked_at;
	}
}

static void
gateway_consume(struct gateway *gateway, size_t len)
{
	line_reader_consume(&gateway->input, len);
	gateway->looked_at -= len;
	gateway->abort_end -=
	    len < gateway->abort_end ? len : gateway->abort_end;
}

/* Stops the running task if ABOR has come, also behind other commands; these
 * and ABOR are then answered in their order.  False: the command goes on. */
static bool
gateway_abort(struct gateway *gateway)
{
	struct task *task = gateway->task;

	if (gateway->abort_end == 0 || task == NULL ||
	    (task->ops->is_ending != NULL && task->ops->is_ending(task)))
		return false;
	task->ops->stop(task, TASK_ABORTED);
	return !gateway->busy;
}

void
gateway_pump(struct gateway *gateway)
{
	const uint8_t *line;
	size_t len;
	enum line_result result;

	if (gateway->pumping)
		return;
	gateway->pumping = true;
	while (gateway->state == GATEWAY_OPEN) {
		result = line_reader_peek(&gateway->input, &line, &len);
		if (result == LINE_TOO_LONG) {
			gateway_give_up(gateway, "a command is too long");
			break;
		}
		if (result == LINE_MORE)
			break;
		if (gateway->busy && !gateway_abort(gateway))
			break;
		gateway->idle_s = 0;
		commands_run(gateway, line, line_text_len(line, len));
		gateway_consume(gateway, len);
	}
	gateway->pumping = false;
}

/* A client that has ended the control connection behind QUIT is served to the
 * end; any other one is gone (RFC 959 section 2.3: the control connection must
 * be open while data are transferred). */
static bool
gateway_will_quit(struct gateway *gateway)
{
	static const char quit[] = "QUIT\r\n";
	size_t len, quit_len = sizeof(quit) - 1;
	const uint8_t *bytes = line_reader_behind(&gateway->input, 0, &len);

	return len >= quit_len &&
	    (len == quit_len || bytes[len - quit_len - 1] == '\n') &&
	    strncasecmp((const char *)bytes + len - quit_len, quit, quit_len) ==
	    0;
}

void
gateway_control(struct gateway *gateway, const void *bytes, size_t len)
{
	if (gateway->state == GATEWAY_OVER)
		return;
	if (line_reader_feed(&gateway->input, bytes, len) != 0)
		gateway_give_up(gateway, "too many commands at a time");
	else
		gateway_look_for_abort(gateway);
	gateway_pump(gateway);
}

void
gateway_control_end(struct gateway *gateway)
{
	if (gateway->state == GATEWAY_OVER)
		return;
	if (gateway->busy && gateway_will_quit(gateway))
		return;
	if (gateway->task != NULL)
		gateway->task->ops->stop(gateway->task, TASK_CONTROL_LOST);
	spare_drop(gateway);
	gateway_close(gateway);
}

/* ---- channels ---- */

static int
gateway_channel_on_send(void *ctx, const struct iovec *pieces, size_t n)
{
	struct gateway_channel *channel = ctx;
	struct gateway *gateway = channel->gateway;

	if (channel->state == CHANNEL_LOST || channel->state == CHANNEL_AWAY)
		return -EPIPE;
	return gateway->handler->channel_send(gateway->ctx, channel->number,
	    pieces, n);
}

void
gateway_greet(struct gateway *gateway)
{
	gateway->state = GATEWAY_OPEN;
	gateway_reply(gateway, "220 culvert: the files of %s, by SFTP.",
	    gateway->config->name);
}

static void
gateway_channel_on_ready(void *ctx)
{
	struct gateway_channel *channel = ctx;
	struct gateway *gateway = channel->gateway;

	channel->state = CHANNEL_READY;
	if (gateway->away) {
		away_end(gateway);
	} else if (channel->number > 0) {
		if (gateway->task != NULL &&
		    gateway->task->ops->channel_ready != NULL)
			gateway->task->ops->channel_ready(gateway->task,
			    channel->number);
	} else {
		login_find_home(gateway);
	}
}

void
gateway_channel_add(struct gateway *gateway, unsigned number)
{
	gateway->channels[number].state = CHANNEL_OPENING;
	gateway->handler->channel_open(gateway->ctx, number);
}

void
gateway_channel_drop(struct gateway *gateway, unsigned number)
{
	struct gateway_channel *channel = &gateway->channels[number];

	if (channel->state == CHANNEL_NONE || channel->state == CHANNEL_LOST ||
	    channel->state == CHANNEL_AWAY)
		return;
	/* Its sftp may be calling; it is freed later. */
	channel->state = CHANNEL_LOST;
	gateway->handler->channel_close(gateway->ctx, number);
}

void
gateway_channel_up(struct gateway *gateway, unsigned number)
{
	static const struct sftp_handler handler = {
		.send = gateway_channel_on_send,
		.ready = gateway_channel_on_ready,
	};
	struct gateway_channel *channel = &gateway->channels[number];

	gateway->n_connections++;
	if (gateway->away) {
		if (sftp_resume(channel->sftp, gateway->n_connections) != 0)
			gateway_channel_failed(gateway, number,
			    "out of memory");
		return;
	}
	sftp_free(channel->sftp); /* of the channel that had this number */
	channel->sftp = sftp_new(&handler, channel);
	if (channel->sftp != NULL && gateway->config->survive_s > 0)
		sftp_keep(channel->sftp, gateway->n_connections);
	if (channel->sftp == NULL || sftp_start(channel->sftp) != 0)
		gateway_channel_failed(gateway, number, "out of memory");
}

/* The channel is of no use any more. */
static void
gateway_channel_end(struct gateway *gateway, unsigned number, const char *why)
{
	struct gateway_channel *channel = &gateway->channels[number];

	channel->state = CHANNEL_LOST;
	gateway->handler->channel_close(gateway->ctx, number);
	if (channel->sftp != NULL)
		sftp_fail(channel->sftp, why);
	if (number == 0) {
		gateway->away = false;
		gateway_give_up(gateway, why);
		return;
	}
	if (gateway->task != NULL && gateway->task->ops->channel_lost != NULL)
		gateway->task->ops->channel_lost(gateway->task, number);
	gateway_pump(gateway);
}

void
gateway_channel_bytes(struct gateway *gateway, unsigned number,
    const struct iovec *pieces, size_t n)
{
	struct gateway_channel *channel = &gateway->channels[number];
	const char *why = "";

	for (size_t i = 0; i < n; i++) {
		if (channel->sftp == NULL || channel->state == CHANNEL_LOST ||
		    channel->state == CHANNEL_AWAY)
			break;
		if (sftp_bytes(channel->sftp, pieces[i].iov_base,
			pieces[i].iov_len, &why) != 0) {
			gateway_channel_end(gateway, number, why);
			break;
		}
		/* It goes on: a server that ends at each repetition does not
		 * come so far. */
		if (number == 0 && !gateway->away)
			gateway->away_s = 0;
	}
	gateway_pump(gateway);
}

void
gateway_channel_drained(struct gateway *gateway, unsigned number)
{
	if (gateway->task != NULL && gateway->task->ops->room != NULL)
		gateway->task->ops->room(gateway->task);
	gateway_pump(gateway);
}

void
gateway_yield(struct gateway *gateway)
{
	if (gateway->task != NULL && gateway->task->ops->yield != NULL)
		gateway->task->ops->yield(gateway->task);
	gateway_pump(gateway);
}

void
gateway_channel_failed(struct gateway *gateway, unsigned number,
    const char *why)
{
	struct gateway_channel *channel = &gateway->channels[number];

	if (channel->state == CHANNEL_NONE || channel->state == CHANNEL_LOST ||
	    channel->state == CHANNEL_AWAY)
		return;
	if (away_begin(gateway, number, why))
		gateway_pump(gateway);
	else
		gateway_channel_end(gateway, number, why);
}

/* ---- life ---- */

/* Some servers end a connection without requests, and do not count the
 * keepalives of SSH. */
static void
gateway_keep_alive(struct gateway *gateway)
{
	static const struct sftp_request request = {
		.op = SFTP_REALPATH,
		.name = { (const uint8_t *)".", 1 },
	};

	if (gateway->state != GATEWAY_OPEN || gateway->home == NULL ||
	    gateway->away || ++gateway->quiet_s < LIMIT_SFTP_QUIET_S)
		return;
	gateway->quiet_s = 0;
	gateway_request_only(gateway, &request);
}

/* A command that runs keeps a session from being idle, however long it takes.
 * Before the login, the owner has other limits. */
static void
gateway_look_idle(struct gateway *gateway)
{
	unsigned most = gateway->config->idle_s;

	if (most == 0 || gateway->state != GATEWAY_OPEN || gateway->busy ||
	    !gateway->logged_in || ++gateway->idle_s <= most)
		return;
	gateway_reply(gateway, "421 No command has come for %u s.", most);
	spare_drop(gateway);
	gateway_close(gateway);
}

bool
gateway_is_settled(const struct gateway *gateway)
{
	const struct gateway_channel *channel = &gateway->channels[0];

	return channel->state != CHANNEL_READY || gateway->away ||
	    sftp_pending(channel->sftp) == 0;
}

void
gateway_tick(struct gateway *gateway)
{
	for (unsigned i = 0; i < GATEWAY_CHANNELS; i++)
		/* Of a channel that is not read, replies may wait. */
		if (gateway->channels[i].sftp != NULL &&
		    gateway->channels[i].state != CHANNEL_LOST &&
		    gateway->channels[i].state != CHANNEL_AWAY &&
		    !gateway->channels[i].stopped)
			sftp_tick(gateway->channels[i].sftp);
	away_tick(gateway);
	gateway_keep_alive(gateway);
	if (gateway->task != NULL && gateway->task->ops->tick != NULL)
		gateway->task->ops->tick(gateway->task);
	spare_tick(gateway);
	gateway_pump(gateway);
	gateway_look_idle(gateway);
}

struct gateway *
gateway_new(const struct gateway_config *config,
    const struct gateway_handler *handler, void *ctx)
{
	struct gateway *gateway = calloc(1, sizeof(*gateway));

	static_assert(LIMIT_GATEWAY_LINE >= LIMIT_COMMAND_LINE &&
		LIMIT_GATEWAY_INPUT > LIMIT_PENDING * LIMIT_COMMAND_LINE,
	    "all that the engine sends");
	if (gateway == NULL)
		return NULL;
	gateway->config = config;
	gateway->handler = handler;
	gateway->ctx = ctx;
	login_defaults(gateway);
	line_reader_init(&gateway->input, LIMIT_GATEWAY_LINE,
	    LIMIT_GATEWAY_INPUT);
	for (unsigned i = 0; i < GATEWAY_CHANNELS; i++) {
		gateway->channels[i].gateway = gateway;
		gateway->channels[i].number = i;
	}
	/* Whoever cannot log in uses no session of the SSH server. */
	if (config->check_logins)
		gateway_greet(gateway);
	else
		gateway_channel_add(gateway, 0);
	return gateway;
}

void
gateway_free(struct gateway *gateway)
{
	if (gateway == NULL)
		return;
	if (gateway->task != NULL)
		gateway->task->ops->stop(gateway->task, TASK_CONTROL_LOST);
	spare_drop(gateway);
	gateway->state = GATEWAY_OVER;
	gateway->busy = true;
	for (unsigned i = 0; i < GATEWAY_CHANNELS; i++) {
		if (gateway->channels[i].sftp != NULL)
			sftp_fail(gateway->channels[i].sftp, "it was closed");
		sftp_free(gateway->channels[i].sftp);
	}
	line_reader_free(&gateway->input);
	files_free(&gateway->simple);
	free(gateway->home);
	free(gateway->cwd);
	free(gateway->user);
	free(gateway->jail);
	free(gateway->rename_from);
	free((void *)(uintptr_t)gateway->last_handle.bytes);
	free(gateway);
}
