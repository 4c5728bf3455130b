/*
 * culvert check, second step: look up the SSH server's name and connect to it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/num.h"
#include "check/check_priv.h"
#include "net/resolve.h"

struct reach_step {
	struct resolve *resolve;
	struct addr found[RESOLVE_MAX];
	size_t n;
	size_t at; /* index of the one being tried */
	struct stream *stream;
	uint64_t began; /* ns */
	char said[FACT_MAX];
	size_t len;
};

void
step_reach_free(struct check *check)
{
	struct reach_step *reach = check->reach;

	check->reach = NULL;
	if (reach == NULL)
		return;
	resolve_cancel(reach->resolve);
	stream_close(reach->stream);
	free(reach);
}

static void
end_wrong(struct check *check, enum finding finding)
{
	uv_timer_stop(&check->limit);
	step_reach_free(check);
	check_find_last(check, finding);
}

/* ---- TCP ---- */

static void reach_try_next(struct check *check);
static void reach_on_late(uv_timer_t *timer);

/* Looks for "SSH-2.0-OpenSSH_9.2p1 ...", which may come after other lines (RFC
 * 4253 section 4.2). */
static bool
find_version(struct reach_step *reach, struct facts *facts)
{
	const char *at = reach->said;

	if (strncmp(at, "SSH-", 4) != 0) {
		at = strstr(at, "\nSSH-");
		if (at == NULL)
			return false;
		at++;
	}
	at = strchr(at + 4, '-'); /* after the protocol version */
	if (at == NULL || strchr(at, '\n') == NULL)
		return false;
	fact_escape_line(facts, FACT_SSHD, at + 1);
	return true;
}

static void
reach_on_opened(void *ctx)
{
	struct check *check = ctx;
	struct reach_step *reach = check->reach;

	fact_format(&check->facts, FACT_TCP_MS, "%.1f",
	    (double)(uv_hrtime() - reach->began) / 1e6);
	uv_timer_start(&check->limit, reach_on_late,
	    check->options->timeouts.greeting, 0);
	stream_read_start(reach->stream);
}

static void
reach_on_data(void *ctx, const struct iovec *pieces, size_t n)
{
	struct check *check = ctx;
	struct reach_step *reach = check->reach;

	for (size_t i = 0; i < n; i++) {
		size_t room = sizeof(reach->said) - 1 - reach->len;
		size_t len =
		    pieces[i].iov_len < room ? pieces[i].iov_len : room;

		memcpy(reach->said + reach->len, pieces[i].iov_base, len);
		reach->len += len;
	}
	if (find_version(reach, &check->facts)) {
		uv_timer_stop(&check->limit);
		step_reach_free(check);
		check_find(check, TCP_OK);
		check_next(check, step_connect);
	} else if (reach->len + 1 == sizeof(reach->said) ||
	    (strchr(reach->said, '\n') != NULL &&
		strncmp(reach->said, "220", 3) == 0)) {
		fact_escape_line(&check->facts, FACT_WHY, reach->said);
		end_wrong(check, TCP_NOT_SSH);
	}
}

/* Does sshd refuse the connection, because of MaxStartups or of
 * PerSourcePenalties? */
static bool
reach_is_full(const char *said)
{
	return strncmp(said, "Exceeded MaxStartups", 20) == 0 ||
	    strncmp(said, "Not allowed at this time", 24) == 0;
}

/* The server has sent nothing, or nothing of SSH. */
static void
end_silent(struct check *check)
{
	struct reach_step *reach = check->reach;

	fact_escape_line(&check->facts, FACT_WHY, reach->said);
	if (reach_is_full(reach->said))
		end_wrong(check, TCP_FULL);
	else
		end_wrong(check, reach->len > 0 ? TCP_NOT_SSH : TCP_NO_WORD);
}

static void
reach_on_eof(void *ctx)
{
	end_silent(ctx);
}

static void
reach_on_drained(void *ctx)
{
	(void)ctx;
}

static void
reach_on_closed(void *ctx, int err, const char *why)
{
	struct check *check = ctx;
	struct reach_step *reach = check->reach;
	bool stood = fact_known(&check->facts, FACT_TCP_MS);

	fact_escape(&check->facts, FACT_WHY, why);
	stream_close(reach->stream);
	reach->stream = NULL;
	if (stood)
		end_wrong(check, TCP_NO_WORD);
	else if (++reach->at < reach->n)
		reach_try_next(check);
	else
		end_wrong(check,
		    err == -ECONNREFUSED ? TCP_REFUSED : TCP_FAILED);
}

static void
reach_on_late(uv_timer_t *timer)
{
	struct check *check = timer->data;
	struct reach_step *reach = check->reach;

	if (fact_known(&check->facts, FACT_TCP_MS)) {
		end_silent(check);
	} else if (reach->at + 1 < reach->n) {
		stream_close(reach->stream);
		reach->stream = NULL;
		reach->at++;
		reach_try_next(check);
	} else {
		end_wrong(check, TCP_SILENT);
	}
}

static void
reach_try_next(struct check *check)
{
	static const struct stream_handler handler = {
		.opened = reach_on_opened,
		.data = reach_on_data,
		.eof = reach_on_eof,
		.drained = reach_on_drained,
		.closed = reach_on_closed,
	};
	struct reach_step *reach = check->reach;
	char text[ADDR_TEXT_MAX];
	int err = 0;

	fact_set(&check->facts, FACT_ADDRESS,
	    addr_format(&reach->found[reach->at], text));
	reach->began = uv_hrtime();
	uv_timer_start(&check->limit, reach_on_late,
	    check->options->timeouts.connect, 0);
	reach->stream = net_dial(check->net, &reach->found[reach->at], NULL,
	    &handler, check, &err);
	if (reach->stream != NULL)
		return;
	fact_set(&check->facts, FACT_WHY, strerror(-err));
	if (++reach->at < reach->n)
		reach_try_next(check);
	else
		end_wrong(check, TCP_FAILED);
}

/* ---- the name ---- */

static void
say_unknown(struct check *check)
{
	bool tunnel =
	    check->options->looked != NULL && check->options->nearest != NULL;

	end_wrong(check, tunnel ? NAME_NO_TUNNEL : NAME_UNKNOWN);
}

/* Stores the addresses of the family that ssh uses. */
static void
keep_found(struct check *check, const struct addr *found, size_t n)
{
	struct reach_step *reach = check->reach;
	char text[ADDR_TEXT_MAX], all[FACT_MAX] = "";
	size_t len = 0;

	for (size_t i = 0; i < n && reach->n < RESOLVE_MAX; i++) {
		if (check->family != AF_UNSPEC &&
		    check->family != found[i].family)
			continue;
		reach->found[reach->n++] = found[i];
		if (len < sizeof(all) - ADDR_TEXT_MAX)
			len += (size_t)snprintf(all + len, sizeof(all) - len,
			    "%s%s", len > 0 ? ", " : "",
			    addr_format_ip(&found[i], text));
	}
	fact_set(&check->facts, FACT_ADDRESSES, all);
}

static void
reach_on_found(void *ctx, const struct addr *found, size_t n, const char *why)
{
	struct check *check = ctx;
	struct reach_step *reach = check->reach;
	struct facts *facts = &check->facts;

	reach->resolve = NULL;
	keep_found(check, found, n);
	if (reach->n == 0) {
		fact_set(facts, FACT_WHY,
		    "it has no address of the requested family");
		if (n == 0)
			fact_escape(facts, FACT_WHY, why);
		say_unknown(check);
		return;
	}
	check_find(check,
	    strcmp(fact(facts, FACT_HOST), fact(facts, FACT_ADDRESSES)) == 0 ?
		NAME_ADDRESS :
		NAME_OK);
	reach_try_next(check);
}

static void
on_name_late(uv_timer_t *timer)
{
	struct check *check = timer->data;

	fact_set(&check->facts, FACT_WHY, "the name service does not answer");
	say_unknown(check);
}

void
step_reach(struct check *check)
{
	uint64_t port = 22;

	if (fact_known(&check->facts, FACT_PROXY)) {
		check_find(check, NAME_PROXY);
		check_find(check, TCP_PROXY);
		check_next(check, step_connect);
		return;
	}
	num_parse_text(fact(&check->facts, FACT_PORT), 65535, &port);
	check->reach = calloc(1, sizeof(*check->reach));
	if (check->reach != NULL)
		check->reach->resolve =
		    resolve_start(&check->loop, fact(&check->facts, FACT_HOST),
			(uint16_t)port, reach_on_found, check);
	if (check->reach == NULL || check->reach->resolve == NULL) {
		fact_set(&check->facts, FACT_WHY, "out of memory");
		end_wrong(check, NAME_UNKNOWN);
		return;
	}
	uv_timer_start(&check->limit, on_name_late,
	    3 * check->options->timeouts.connect, 0);
}
