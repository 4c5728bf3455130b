/*
 * culvert check, first step: ssh -G, the configuration for the destination.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "check/check_priv.h"
#include "ssh/dump.h"
#include "ssh/run.h"

struct config_step {
	struct check *check; /* NULL: it is not wanted any more */
	struct ssh_run *run; /* NULL: it was not started */
	bool running;
	char text[LIMIT_SSH_CONFIG];
	size_t len;
};

/* Frees it; ssh does not run. */
static void
free_step(struct config_step *config)
{
	ssh_run_free(config->run);
	free(config);
}

void
step_config_free(struct check *check)
{
	struct config_step *config = check->config;

	check->config = NULL;
	if (config == NULL)
		return;
	config->check = NULL;
	if (config->running)
		ssh_run_signal(config->run, SIGKILL);
	else
		free_step(config);
}

static void
step_config_on_wrote(void *ctx, const char *bytes, size_t len)
{
	struct config_step *config = ctx;
	size_t room = sizeof(config->text) - config->len;

	if (len > room)
		len = room;
	memcpy(config->text + config->len, bytes, len);
	config->len += len;
}

static bool
find_setting(const struct config_step *config, const char *key,
    char text[FACT_MAX])
{
	char value[FACT_MAX];

	if (dump_find(config->text, config->len, key, value, sizeof(value)) !=
		0 ||
	    strcmp(value, "none") == 0)
		return false;
	log_escape(text, FACT_MAX, value, strlen(value));
	return true;
}

/* AddressFamily, -4 and -6. */
static sa_family_t
find_family(const struct config_step *config)
{
	char value[FACT_MAX] = "any";

	find_setting(config, "addressfamily", value);
	if (strcmp(value, "inet") == 0)
		return AF_INET;
	return strcmp(value, "inet6") == 0 ? AF_INET6 : AF_UNSPEC;
}

/* With a jump host or a command, this host does not connect to the
 * destination's name and port itself. */
static void
find_proxy(const struct config_step *config, struct facts *facts)
{
	char value[FACT_MAX];

	if (find_setting(config, "proxyjump", value))
		fact_format(facts, FACT_PROXY, "ProxyJump %.1000s", value);
	else if (find_setting(config, "proxycommand", value))
		fact_format(facts, FACT_PROXY, "ProxyCommand %.1000s", value);
}

static void
step_config_on_ended(void *ctx, const struct monitor_end *end)
{
	struct config_step *config = ctx;
	struct check *check = config->check;
	struct facts *facts;
	bool good = end->err == 0 && end->status == 0 && end->signal == 0;

	config->running = false;
	if (check == NULL) {
		free_step(config);
		return;
	}
	uv_timer_stop(&check->limit);
	facts = &check->facts;
	good = good &&
	    find_setting(config, "hostname", facts->text[FACT_HOST]) &&
	    find_setting(config, "port", facts->text[FACT_PORT]) &&
	    find_setting(config, "user", facts->text[FACT_USER]);
	find_proxy(config, facts);
	check->family = find_family(config);
	fact_format(facts, FACT_HOST_KEY_NAME,
	    strcmp(fact(facts, FACT_PORT), "22") == 0 ? "%s" : "[%s]:%s",
	    fact(facts, FACT_HOST), fact(facts, FACT_PORT));
	step_config_free(check);
	if (good) {
		check_next(check, step_reach);
	} else if (end->err != 0) {
		fact_set(facts, FACT_WHY, strerror(-end->err));
		check_find_last(check, SSH_CANNOT_RUN);
	} else if (end->status == 127) {
		fact_format(facts, FACT_WHY, "%s is not found",
		    check->link.program);
		check_find_last(check, SSH_CANNOT_RUN);
	} else if (end->signal != 0) {
		check_find_last(check, CONFIG_SLOW);
	} else {
		/* ssh will print the same error when it connects. */
		check_next(check, step_connect);
	}
}

/* A command in Match exec, or a name look-up, takes too long. */
static void
step_config_on_late(uv_timer_t *timer)
{
	struct check *check = timer->data;

	ssh_run_signal(check->config->run, SIGKILL);
}

void
step_config(struct check *check)
{
	static const struct ssh_run_handler handler = {
		.wrote = step_config_on_wrote,
		.ended = step_config_on_ended,
	};
	const struct cmdline cmdline = { .kind = CMDLINE_CONFIGURED };
	struct config_step *config = calloc(1, sizeof(*config));
	int err = -ENOMEM;

	check->config = config;
	if (config != NULL) {
		config->check = check;
		err = ssh_run_start(&check->loop, check->monitor, &cmdline,
		    &handler, config, &config->run);
		config->running = err == 0;
	}
	if (err == 0) {
		uv_timer_start(&check->limit, step_config_on_late,
		    3 * (uint64_t)LIMIT_SSH_CONFIG_MS, 0);
		return;
	}
	fact_set(&check->facts, FACT_WHY, strerror(-err));
	check_find_last(check, SSH_CANNOT_RUN);
}
