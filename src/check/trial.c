/*
 * One listing.
 *
 *	PASV -- connect to the port in the reply --\
 *	                                            LIST -- data and replies
 *	listen -- PORT -- the reply to PORT -------/
 */
#include "check/trial.h"

#include <errno.h>
#include <string.h>

#include "ftp/hostport.h"
#include "limits.h"

struct trial {
	const struct trial_options *options;
	struct ftp *ftp;
	struct wait *wait;
	struct peer data;
	unsigned code;	      /* of the last reply */
	unsigned preliminary; /* replies (1yz) to LIST */
	bool final;	      /* the final reply to LIST has come */
	bool lost;	      /* the control connection was lost */
	struct trial_outcome *outcome;
};

/* Was the last reply 2yz? */
static bool
trial_is_good(const struct trial *trial)
{
	return trial->code >= 200 && trial->code < 300;
}

static enum finding
trial_end(struct trial *trial, enum finding finding, const char *why)
{
	fact_text(trial->outcome->why, "%s", why);
	return finding;
}

/* Stores a reply.  Returns false if there is none, because the connection was
 * lost. */
static bool
trial_keep_reply(struct trial *trial, const struct ftp_reply *reply)
{
	trial->lost = reply->code == 0;
	trial->code = reply->code;
	fact_text(trial->lost ? trial->outcome->why : trial->outcome->reply,
	    "%s", reply->text);
	return !trial->lost;
}

/* ---- the listing ---- */

/* Returns how long to wait for what comes next: a reply, or, after the final
 * reply, the end of the data. */
static uint64_t
trial_ms(const struct trial *trial)
{
	return trial->final ? trial->wait->times.connect :
			      trial->wait->times.reply;
}

/* Takes the replies to LIST that have arrived. */
static void
trial_take_replies(struct trial *trial)
{
	struct ftp_reply reply;

	while (!trial->final && ftp_take(trial->ftp, &reply) &&
	    trial_keep_reply(trial, &reply)) {
		trial->final = reply.code >= 200 ||
		    ++trial->preliminary == LIMIT_CHECK_PRELIMINARY;
		wait_begin(trial->wait, trial_ms(trial));
	}
}

/* Has everything arrived, or will nothing more arrive? */
static bool
trial_is_over(const struct trial *trial)
{
	const struct peer *data = &trial->data;
	bool began = data->opened && trial->preliminary > 0;

	return trial->lost || data->attempt.result == ATTEMPT_FAILED ||
	    (trial->final &&
		(data->ended || (!trial_is_good(trial) && !began)));
}

static enum finding
trial_listed(struct trial *trial)
{
	const struct peer *data = &trial->data;
	bool good = trial_is_good(trial);

	if (trial->lost)
		return SERVER_LOST;
	if (trial->final && !good && !data->opened)
		return trial->preliminary > 0 || trial->code == 425 ||
			trial->code == 426 ?
		    MODE_NO_CONNECTION :
		    MODE_UNTESTED;
	if (trial->final && !good && trial->preliminary == 0)
		return MODE_NO_LISTING;
	if (data->attempt.result == ATTEMPT_FAILED)
		return trial_end(trial, MODE_CUT, data->attempt.why);
	if (trial->final && data->ended)
		return good ? MODE_OK : MODE_CUT;
	/* The time is over. */
	if (trial->final && !good)
		return MODE_CUT;
	if (trial->final)
		return trial_end(trial,
		    data->opened ? MODE_CUT : MODE_NO_CONNECTION,
		    "the data connection does not end");
	fact_text(trial->outcome->why, "no reply in time");
	/* The server may still try to connect, some for more than a minute. */
	trial->outcome->hangs = !data->opened;
	if (data->opened)
		return SERVER_LOST;
	fact_text(trial->outcome->reply, "%s", trial->outcome->why);
	return MODE_NO_CONNECTION;
}

static enum finding
trial_list(struct trial *trial)
{
	struct wait *wait = trial->wait;
	uint64_t began, bytes = 0;

	ftp_send(trial->ftp, "LIST");
	wait_begin(wait, trial_ms(trial));
	began = uv_now(wait->loop);
	do {
		trial_take_replies(trial);
		if (trial_is_over(trial))
			break;
		/* As long as data come, the listing may take longer. */
		if (trial->data.bytes > bytes &&
		    uv_now(wait->loop) - began <= wait->times.listing)
			wait_begin(wait, trial_ms(trial));
		bytes = trial->data.bytes;
	} while (wait_more(wait));
	return trial_listed(trial);
}

/* ---- passive ---- */

/* Finds the host-port in any line of the reply. */
static bool
find_hostport(const struct ftp_reply *reply, struct hostport *ret)
{
	const char *line = reply->lines, *end = line + reply->len;

	while (line < end) {
		const char *lf = memchr(line, '\n', (size_t)(end - line));
		size_t len = (size_t)((lf != NULL ? lf : end) - line);

		if (hostport_parse_reply(reply->code, (const uint8_t *)line,
			len, ret) == 0)
			return true;
		line += len + 1;
	}
	return false;
}

static enum finding
trial_passive(struct trial *trial)
{
	const struct trial_options *options = trial->options;
	struct attempt *attempt = &trial->data.attempt;
	struct side_to to = {
		.host = options->host,
		.from =
		    options->from.family != AF_UNSPEC ? &options->from : NULL,
		.use = SIDE_DATA,
	};
	struct ftp_reply reply;
	struct hostport found;
	char host[ADDR_TEXT_MAX];

	ftp_send(trial->ftp, "%s", verb_name(options->verb));
	ftp_read(trial->ftp, trial->wait->times.reply, &reply);
	if (!trial_keep_reply(trial, &reply))
		return SERVER_LOST;
	if (!trial_is_good(trial))
		return MODE_REFUSED_VERB;
	if (!find_hostport(&reply, &found))
		return MODE_NO_PORT;
	trial->outcome->announced = found.addr;
	trial->outcome->port = to.port = found.addr.port;
	if (to.host == NULL)
		to.host = addr_format_ip(&found.addr, host);
	peer_dial(&trial->data, options->side, &to);
	attempt_wait(attempt, trial->wait, trial->wait->times.connect);
	if (trial->data.opened)
		return trial_list(trial);
	return trial_end(trial,
	    attempt->err == -EACCES ? MODE_FORBIDDEN : MODE_CONNECT_FAILED,
	    attempt->why);
}

/* ---- active ---- */

static enum finding
trial_active(struct trial *trial, struct peer_listener *listener)
{
	const struct trial_options *options = trial->options;
	const struct side_at at = { .host = options->at };
	const struct addr *addr =
	    options->family == AF_INET ? &listener->v4 : &listener->v6;
	char argument[HOSTPORT_TEXT_MAX];
	struct ftp_reply reply;

	peer_listen(listener, options->side, &at, &trial->data);
	attempt_wait(&listener->attempt, trial->wait, trial->wait->times.sshd);
	if (listener->attempt.result == ATTEMPT_FAILED)
		return trial_end(trial, MODE_NO_LISTENER,
		    listener->attempt.why);
	trial->outcome->announced = *addr;
	trial->outcome->port = addr->port;
	if (addr->family == AF_UNSPEC ||
	    hostport_format_command(options->verb, addr, argument) != 0)
		return trial_end(trial, MODE_NO_LISTENER,
		    "sshd does not listen on that address family");
	ftp_send(trial->ftp, "%s %s", verb_name(options->verb), argument);
	ftp_read(trial->ftp, trial->wait->times.reply, &reply);
	if (!trial_keep_reply(trial, &reply))
		return SERVER_LOST;
	if (trial_is_good(trial))
		return trial_list(trial);
	return reply.code == 425 ? MODE_NO_CONNECTION : MODE_REFUSED_VERB;
}

void
trial_run(const struct trial_options *options, struct trial_outcome *ret)
{
	struct trial trial = {
		.options = options,
		.ftp = options->ftp,
		.wait = options->ftp->wait,
		.outcome = ret,
	};
	struct peer_listener listener = { .listener = NULL };
	bool active = options->verb == VERB_PORT || options->verb == VERB_EPRT;

	ret->finding =
	    active ? trial_active(&trial, &listener) : trial_passive(&trial);
	ret->bytes = trial.data.bytes;
	peer_close(&trial.data);
	peer_unlisten(&listener);
}
