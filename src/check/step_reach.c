/*
 * culvert check, second step: look up the SSH server's name and connect to it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "check/check_priv.h"
#include "net/resolve.h"

/* ---- the name ---- */

struct lookup {
	bool done;
	struct addr found[RESOLVE_MAX];
	size_t n;
	char why[FACT_MAX]; /* the reason, if no address was found */
};

static void
reach_on_found(void *ctx, const struct addr *found, size_t n, const char *why)
{
	struct lookup *lookup = ctx;

	lookup->done = true;
	for (; lookup->n < n && lookup->n < RESOLVE_MAX; lookup->n++)
		lookup->found[lookup->n] = found[lookup->n];
	if (n == 0)
		fact_text(lookup->why, "%s", why);
}

static void
reach_look_up(struct check *check, struct lookup *lookup)
{
	struct wait *wait = &check->wait;
	struct resolve *resolve;
	uint64_t port = 22;

	num_parse_text(fact(&check->facts, FACT_PORT), 65535, &port);
	resolve = resolve_start(&check->loop, fact(&check->facts, FACT_HOST),
	    (uint16_t)port, reach_on_found, lookup);
	if (resolve == NULL) {
		fact_text(lookup->why, "out of memory");
		return;
	}
	wait_begin(wait, 3 * wait->times.connect);
	while (!lookup->done && wait_more(wait))
		;
	if (!lookup->done) {
		resolve_cancel(resolve);
		fact_text(lookup->why, "the name service does not answer");
	}
}

/* Leaves only the addresses of the family that ssh uses. */
static void
reach_keep_family(struct check *check, struct lookup *lookup)
{
	char text[ADDR_TEXT_MAX], all[FACT_MAX] = "";
	size_t n = 0, len = 0;

	for (size_t i = 0; i < lookup->n; i++) {
		const struct addr *addr = &lookup->found[i];

		if (check->family != AF_UNSPEC && check->family != addr->family)
			continue;
		if (len < sizeof(all) - ADDR_TEXT_MAX)
			len += (size_t)snprintf(all + len, sizeof(all) - len,
			    "%s%s", len > 0 ? ", " : "",
			    addr_format_ip(addr, text));
		lookup->found[n++] = *addr;
	}
	if (n == 0 && lookup->n > 0)
		fact_text(lookup->why,
		    "it has no address of the requested family");
	lookup->n = n;
	fact_set(&check->facts, FACT_ADDRESSES, all);
}

/* ---- TCP ---- */

/* The first bytes that the SSH server sends. */
struct first_bytes {
	char text[FACT_MAX];
	size_t len;
};

static void
reach_on_data(void *ctx, const struct iovec *pieces, size_t n)
{
	struct first_bytes *first = ctx;

	for (size_t i = 0; i < n; i++) {
		size_t room = sizeof(first->text) - 1 - first->len;
		size_t len =
		    pieces[i].iov_len < room ? pieces[i].iov_len : room;

		memcpy(first->text + first->len, pieces[i].iov_base, len);
		first->len += len;
	}
}

/* Looks for "SSH-2.0-OpenSSH_9.2p1 ...", which may come after other lines (RFC
 * 4253 section 4.2). */
static bool
reach_find_version(const struct first_bytes *first, struct facts *facts)
{
	const char *at = first->text;

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

/* Is it certain that this is not an SSH server? */
static bool
reach_is_foreign(const struct first_bytes *first)
{
	return first->len + 1 == sizeof(first->text) ||
	    (strchr(first->text, '\n') != NULL &&
		strncmp(first->text, "220", 3) == 0);
}

/* Does sshd refuse the connection, because of MaxStartups or of
 * PerSourcePenalties? */
static bool
reach_is_full(const struct first_bytes *first)
{
	return strncmp(first->text, "Exceeded MaxStartups", 20) == 0 ||
	    strncmp(first->text, "Not allowed at this time", 24) == 0;
}

/* Reads up to sshd's version. */
static enum finding
reach_read(struct check *check, struct peer *peer, struct first_bytes *first)
{
	struct facts *facts = &check->facts;
	struct wait *wait = &check->wait;

	wait_begin(wait, wait->times.greeting);
	for (;;) {
		if (reach_find_version(first, facts))
			return TCP_OK;
		if (peer->attempt.result == ATTEMPT_FAILED) {
			fact_set(facts, FACT_WHY, peer->attempt.why);
			return TCP_SENDS_NOTHING;
		}
		if (reach_is_foreign(first) || peer->ended || !wait_more(wait))
			break;
	}
	fact_escape_line(facts, FACT_WHY, first->text);
	if (reach_is_full(first))
		return TCP_FULL;
	return first->len > 0 ? TCP_NOT_SSH : TCP_SENDS_NOTHING;
}

/* Connects to one address. */
static enum finding
reach_try(struct check *check, const struct addr *addr)
{
	struct first_bytes first = { .len = 0 };
	struct peer peer = { .data = reach_on_data, .ctx = &first };
	struct wait *wait = &check->wait;
	uint64_t began = uv_hrtime();
	enum finding finding = TCP_FAILED;
	char text[ADDR_TEXT_MAX];

	fact_set(&check->facts, FACT_ADDRESS, addr_format(addr, text));
	peer_dial_addr(&peer, check->net, addr);
	attempt_wait(&peer.attempt, wait, wait->times.connect);
	fact_format(&check->facts, FACT_TCP_MS, "%.1f",
	    (double)(uv_hrtime() - began) / 1e6);
	fact_set(&check->facts, FACT_WHY, peer.attempt.why);
	if (peer.opened)
		finding = reach_read(check, &peer, &first);
	else if (wait->late)
		finding = TCP_NO_ANSWER;
	else if (peer.attempt.err == -ECONNREFUSED)
		finding = TCP_REFUSED;
	peer_close(&peer);
	return finding;
}

bool
step_reach(struct check *check)
{
	struct facts *facts = &check->facts;
	struct lookup lookup = { .done = false };
	enum finding finding = TCP_FAILED;

	if (!check->configured)
		return true;
	if (fact_known(facts, FACT_PROXY)) {
		check_find(check, NAME_PROXY);
		check_find(check, TCP_PROXY);
		return true;
	}
	reach_look_up(check, &lookup);
	reach_keep_family(check, &lookup);
	if (lookup.n == 0) {
		fact_escape(facts, FACT_WHY, lookup.why);
		return check_find_last(check,
		    check->options->nearest != NULL ? NAME_NO_TUNNEL :
						      NAME_UNKNOWN);
	}
	check_find(check,
	    strcmp(fact(facts, FACT_HOST), fact(facts, FACT_ADDRESSES)) == 0 ?
		NAME_ADDRESS :
		NAME_OK);
	for (size_t i = 0; i < lookup.n; i++) {
		finding = reach_try(check, &lookup.found[i]);
		if (finding != TCP_FAILED && finding != TCP_NO_ANSWER &&
		    finding != TCP_REFUSED)
			break;
	}
	if (finding != TCP_OK)
		return check_find_last(check, finding);
	check_find(check, TCP_OK);
	return true;
}
