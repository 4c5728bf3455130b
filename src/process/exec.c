/*
 * culvert exec: where connections of the command go.
 */
#include "process/exec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"

/* The host of that target, as sshd looks it up. */
static const char *
exec_host_of(const struct exec_plan *plan, const struct addr *to,
    char text[ADDR_TEXT_MAX])
{
	const struct exec_map *map = exec_plan_mapped(plan, to);

	return map != NULL ? map->host : addr_format_ip(to, text);
}

/* Where the tunnel for that target is: at the address of --map itself, so that
 * all that the client compares fits. */
static struct addr
exec_address_here(const struct exec_plan *plan, const struct addr *to)
{
	return exec_plan_mapped(plan, to) != NULL ?
	    *to :
	    addr_loopback(to->family, 0);
}

/* Makes a tunnel to that host and port.  Returns NULL with the reason logged.
 */
static const struct exec_target *
add_target(struct exec *exec, const struct addr *to)
{
	struct exec_target *target = &exec->targets[exec->n_targets];
	struct forward *forward = &target->forward;
	struct addr at = exec_address_here(exec->plan, to);
	char text[ADDR_TEXT_MAX];

	if (exec->n_targets == LIMIT_EXEC_TARGETS) {
		/* Once: the supervisor logs each connection that fails. */
		if (!exec->full)
			log_err(
			    "the command has connected to more than %d hosts and "
			    "ports; no more can be captured",
			    LIMIT_EXEC_TARGETS);
		exec->full = true;
		return NULL;
	}
	*target = (struct exec_target) { .to = *to };
	snprintf(forward->bind, sizeof(forward->bind), "%s",
	    addr_format_ip(&at, text));
	forward->sftp = exec->plan->gateway;
	if (!forward->sftp) {
		snprintf(forward->host, sizeof(forward->host), "%s",
		    exec_host_of(exec->plan, to, text));
		forward->host_port = to->port;
	}
	/* Some clients compare the address of the reply to PASV with the one
	 * that they have for the server. */
	target->policy = exec->entry->policy;
	target->policy.client_address = *to;
	target->listener = entry_add(exec->entry, forward, &target->policy);
	if (target->listener == NULL)
		return NULL;
	exec->n_targets++;
	return target;
}

static const struct exec_target *
find_target(const struct exec *exec, const struct addr *to)
{
	const struct exec_target *target;

	for (size_t i = 0; i < exec->n_targets; i++) {
		target = &exec->targets[i];
		if (addr_same_ip(&target->to, to) &&
		    target->to.port == to->port)
			return target;
	}
	return NULL;
}

/*
 * Is it a data connection?  Clients connect to the address that they have for
 * the server, which is also that of the reply; or to that of the other end of
 * the control connection, which is ours.
 *
 * If it is over, nothing else is expected at that port of the server, which
 * culvert has chosen.
 */
static enum tunnel_data
exec_data_at(const struct exec *exec, const struct addr *to)
{
	enum tunnel_data data, ret = TUNNEL_DATA_NONE;
	const struct exec_target *target;
	struct addr here;

	for (size_t i = 0; i < exec->n_targets; i++) {
		target = &exec->targets[i];
		here = exec_address_here(exec->plan, &target->to);
		data = tunnel_data_at(target->listener->tunnel, to->port);
		if (addr_same_ip(&target->to, to)) {
			if (data == TUNNEL_DATA_AWAITED)
				return data;
			ret = data != TUNNEL_DATA_NONE ? data : ret;
		} else if (addr_same_ip(&here, to) &&
		    data == TUNNEL_DATA_AWAITED)
			return data;
	}
	return ret;
}

/* Connect to that port of the tunnel's address. */
static struct exec_answer
answer_tunnel(const struct exec *exec, const struct addr *to, uint16_t port)
{
	struct exec_answer answer = {
		.verdict = EXEC_TUNNEL,
		.at = exec_address_here(exec->plan, to),
	};

	answer.at.port = port;
	return answer;
}

static struct exec_answer
exec_decide(struct exec *exec, const struct addr *to)
{
	const struct exec_plan *plan = exec->plan;
	const struct exec_target *target = find_target(exec, to);
	enum tunnel_data data = exec_data_at(exec, to);

	if (data == TUNNEL_DATA_AWAITED)
		return answer_tunnel(exec, to, to->port);
	if (target == NULL && exec_plan_captures(plan, to)) {
		target = add_target(exec, to);
		if (target == NULL)
			return (struct exec_answer) { .verdict = EXEC_FAILED };
	}
	if (target != NULL)
		return answer_tunnel(exec, to,
		    tunnel_port(target->listener->tunnel));
	if (data == TUNNEL_DATA_OVER)
		return (struct exec_answer) { .verdict = EXEC_OVER };
	/* A mapped host has nothing here, and its other ports are not ours. */
	if (exec_plan_mapped(plan, to) != NULL)
		return (struct exec_answer) { .verdict = EXEC_FAILED };
	if (plan->only && !addr_is_loopback(to))
		return (struct exec_answer) { .verdict = EXEC_REFUSED };
	return (struct exec_answer) { .verdict = EXEC_DIRECT };
}

/* The command has accepted a connection from *from: of which server is it? */
static struct exec_answer
exec_name_server(const struct exec *exec, const struct addr *from)
{
	const struct exec_target *target;
	struct exec_answer answer = { .verdict = EXEC_TUNNEL };

	for (size_t i = 0; i < exec->n_targets; i++) {
		target = &exec->targets[i];
		if (!tunnel_has_dialed(target->listener->tunnel, from))
			continue;
		answer.at = target->to;
		answer.at.port = from->port;
		return answer;
	}
	return (struct exec_answer) { .verdict = EXEC_DIRECT };
}

bool
exec_reply(struct exec *exec, int fd)
{
	struct exec_question question;
	struct exec_answer decided, answer;
	ssize_t n = recv(fd, &question, sizeof(question), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n != sizeof(question))
		return false;
	decided = question.event == EXEC_ACCEPTED ?
	    exec_name_server(exec, &question.to) :
	    exec_decide(exec, &question.to);
	/* Whole, with its padding. */
	memset(&answer, 0, sizeof(answer));
	answer.number = question.number;
	answer.verdict = decided.verdict;
	answer.at = decided.at;
	return send(fd, &answer, sizeof(answer), MSG_NOSIGNAL) ==
	    sizeof(answer);
}
