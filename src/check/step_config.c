/*
 * culvert check, first step: ssh -G, the configuration for the destination.
 */
#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "check/check_priv.h"
#include "ssh/dump.h"
#include "ssh/run.h"

/* A run of ssh -G, and what it prints. */
struct config_run {
	bool ended;
	struct monitor_end end;
	char text[LIMIT_SSH_CONFIG];
	size_t len;
};

static void
step_config_on_wrote(void *ctx, const char *bytes, size_t len)
{
	struct config_run *run = ctx;
	size_t room = sizeof(run->text) - run->len;

	if (len > room)
		len = room;
	memcpy(run->text + run->len, bytes, len);
	run->len += len;
}

static void
step_config_on_ended(void *ctx, const struct monitor_end *end)
{
	struct config_run *run = ctx;

	run->end = *end;
	run->ended = true;
}

/* Returns 0 or a negative errno. */
static int
step_config_run(struct check *check, struct config_run *run)
{
	static const struct ssh_run_handler handler = {
		.wrote = step_config_on_wrote,
		.ended = step_config_on_ended,
	};
	const struct cmdline cmdline = { .kind = CMDLINE_CONFIGURED };
	struct ssh_run *ssh;
	int err = ssh_run_start(&check->loop, check->monitor, &cmdline,
	    &handler, run, &ssh);

	if (err != 0)
		return err;
	wait_begin(&check->wait, 3 * (uint64_t)LIMIT_SSH_CONFIG_MS);
	while (!run->ended && wait_more(&check->wait))
		;
	/* A command in Match exec, or a look-up of a name, takes too long. */
	if (!run->ended)
		ssh_run_signal(ssh, SIGKILL);
	while (!run->ended)
		uv_run(&check->loop, UV_RUN_ONCE);
	ssh_run_free(ssh);
	return run->end.err;
}

static bool
find_setting(const struct config_run *run, const char *key, char ret[FACT_MAX])
{
	char value[FACT_MAX];

	if (dump_find(run->text, run->len, key, value, sizeof(value)) != 0 ||
	    strcmp(value, "none") == 0)
		return false;
	log_escape(ret, FACT_MAX, value, strlen(value));
	return true;
}

/* Returns the family that AddressFamily, -4 or -6 requests. */
static sa_family_t
find_family(const struct config_run *run)
{
	char value[FACT_MAX] = "any";

	find_setting(run, "addressfamily", value);
	if (strcmp(value, "inet") == 0)
		return AF_INET;
	return strcmp(value, "inet6") == 0 ? AF_INET6 : AF_UNSPEC;
}

/* With a jump host or a command, this host does not connect to the
 * destination's name and port itself. */
static void
find_proxy(const struct config_run *run, struct facts *facts)
{
	char value[FACT_MAX];

	if (find_setting(run, "proxyjump", value))
		fact_format(facts, FACT_PROXY, "ProxyJump %.1000s", value);
	else if (find_setting(run, "proxycommand", value))
		fact_format(facts, FACT_PROXY, "ProxyCommand %.1000s", value);
}

static void
step_config_read(struct check *check, const struct config_run *run)
{
	struct facts *facts = &check->facts;

	check->configured =
	    find_setting(run, "hostname", facts->text[FACT_HOST]) &&
	    find_setting(run, "port", facts->text[FACT_PORT]) &&
	    find_setting(run, "user", facts->text[FACT_USER]);
	find_proxy(run, facts);
	check->family = find_family(run);
	/* The default, because sshd reports the place of the key only after a
	 * login. */
	if (fact_known(facts, FACT_USER))
		fact_format(facts, FACT_KEY_PLACE, "~%s/.ssh/authorized_keys",
		    fact(facts, FACT_USER));
	fact_format(facts, FACT_HOST_KEY_NAME,
	    strcmp(fact(facts, FACT_PORT), "22") == 0 ? "%s" : "[%s]:%s",
	    fact(facts, FACT_HOST), fact(facts, FACT_PORT));
}

bool
step_config(struct check *check)
{
	struct config_run run = { .ended = false };
	int err = step_config_run(check, &run);

	if (check->interrupted)
		return false;
	if (err != 0) {
		fact_set(&check->facts, FACT_WHY, strerror(-err));
		return check_find_last(check, SSH_CANNOT_RUN);
	}
	if (run.end.status == 127) {
		fact_format(&check->facts, FACT_WHY, "%s is not found",
		    check->link.options.program);
		return check_find_last(check, SSH_CANNOT_RUN);
	}
	step_config_read(check, &run);
	if (run.end.signal != 0)
		return check_find_last(check, CONFIG_SLOW);
	/* If ssh -G has failed, ssh will print the error when it connects. */
	check->configured &= run.end.status == 0;
	return true;
}
