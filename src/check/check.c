/*
 * culvert check: start-up, the loop, and the end.
 */
#include "check/check.h"

#include <assert.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/privileges.h"
#include "base/process.h"
#include "check/check_priv.h"

static const int own_signals[CHECK_SIGNALS] = { SIGINT, SIGTERM, SIGHUP };

/* ---- findings ---- */

/* Stores what to change in the suggested command. */
static void
note_change(struct check *check, enum finding finding)
{
	struct suggest_change change = advice_change(finding);

	if (change.part == SUGGEST_SERVER_HOST ||
	    change.part == SUGGEST_SERVER_PORT)
		change.forward = check->forward;
	if (change.part == SUGGEST_TUNNEL)
		change.value = check->options->nearest;
	suggest_add(&check->suggest.command, change);
}

void
check_find_as(struct check *check, enum finding finding,
    enum advice_status status)
{
	struct advice advice;

	if (check->interrupted)
		return;
	if (status == ADVICE_WRONG)
		note_change(check, finding);
	advice_make(finding, &check->facts, &advice);
	advice.status = status;
	report_add(&check->report, &advice);
}

void
check_find(struct check *check, enum finding finding)
{
	check_find_as(check, finding, advice_worst(finding));
}

bool
check_find_last(struct check *check, enum finding finding)
{
	check_find(check, finding);
	return false;
}

bool
check_link_holds(struct check *check)
{
	while (!check->wait.over && !link_is_up(links_first(check->link.links)))
		uv_run(&check->loop, UV_RUN_ONCE);
	return !check->wait.over;
}

/* ---- start-up ---- */

/* Ends every wait, and so all steps. */
static void
check_interrupt(struct check *check)
{
	check->interrupted = true;
	check->wait.over = true;
}

static void
check_on_signal(uv_signal_t *handle, int signum)
{
	check_interrupt(handle->data);
}

/* A line that ssh -v has printed. */
static void
on_line(void *ctx, const char *text)
{
	struct check *check = ctx;

	facts_read_line(&check->facts, text);
}

/* Stores which user culvert will run as, and whether that is a system user. */
static void
set_own_user(struct check *check)
{
	uid_t uid = check->user != NULL ? check->user->uid : geteuid();
	const struct passwd *own = getpwuid(uid);

	fact_format(&check->facts, FACT_OWN_USER, "%lu", (unsigned long)uid);
	if (own != NULL)
		fact_escape(&check->facts, FACT_OWN_USER, own->pw_name);
	if (uid > 0 && uid < LIMIT_SYSTEM_USERS)
		fact_set(&check->facts, FACT_OWN_IS_SYSTEM, "yes");
}

/* Sets the facts that come from the options. */
static void
check_set_facts(struct check *check)
{
	const struct check_options *options = check->options;
	const struct options *conf = check->conf;
	struct facts *facts = &check->facts;

	fact_escape(facts, FACT_DESTINATION, conf->destination);
	if (options->nearest != NULL) {
		fact_escape(facts, FACT_CONFIG, options->looked);
		fact_escape(facts, FACT_NEAREST, options->nearest);
	}
	fact_escape(facts, FACT_NETRC, check->login.path);
	if (options->tunnel != NULL)
		fact_format(facts, FACT_CULVERT, "[tunnel %s], as a key",
		    options->tunnel);
	else
		fact_set(facts, FACT_CULVERT, "culvert's command line");
	fact_format(facts, FACT_CONNECT_S, "%llu",
	    (unsigned long long)check->wait.times.connect / 1000);
	fact_format(facts, FACT_GREETING_S, "%llu",
	    (unsigned long long)check->wait.times.greeting / 1000);
	fact_set(facts, FACT_KEY_PLACE, ".ssh/authorized_keys");
	suggest_ssh(conf->ssh_arguments.texts, conf->ssh_arguments.n,
	    conf->destination, facts->text[FACT_SSH_COMMAND], FACT_MAX);
	suggest_key_line(conf, check->suggest.modes, conf->server_mode,
	    facts->text[FACT_KEY_LINE], FACT_MAX);
	set_own_user(check);
}

static void
watch_signals(struct check *check)
{
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < CHECK_SIGNALS; i++) {
		uv_signal_init(&check->loop, &check->signals[i]);
		check->signals[i].data = check;
		if (!process_ignores(own_signals[i]))
			uv_signal_start(&check->signals[i], check_on_signal,
			    own_signals[i]);
		uv_unref((uv_handle_t *)&check->signals[i]);
	}
}

/* Without the monitor nothing can start ssh. */
static void
check_on_monitor_lost(void *ctx)
{
	log_err("culvert's monitor process has ended, and ssh with it");
	check_interrupt(ctx);
}

static bool
check_start_loop(struct check *check)
{
	int err;

	if (!privileges_prepare(check->conf->no_confine))
		return false;
	err = uv_loop_init(&check->loop);
	if (err == 0)
		err = monitor_attach(check->monitor, &check->loop,
		    check_on_monitor_lost, check);
	if (err != 0) {
		log_err("cannot start: %s", uv_strerror(err));
		return false;
	}
	wait_init(&check->wait, &check->loop, check->options->timeout_s);
	watch_signals(check);
	return true;
}

static bool
check_make_parts(struct check *check)
{
	const struct check_options *options = check->options;

	window_budget_init(&check->link.budget, LIMIT_MEMORY, LIMIT_WINDOW_MAX);
	check->net = net_new(&check->loop);
	check->report.json = options->json;
	check->report.quiet = check->conf->quiet;
	check->outcomes =
	    calloc(check->conf->n_forwards, sizeof(*check->outcomes));
	login_read(&check->login, check->conf, options->ftp_user,
	    options->netrc);
	if (check->net != NULL && check->outcomes != NULL)
		return true;
	log_err("out of memory");
	return false;
}

static void
set_link(struct check *check)
{
	struct check_link *link = &check->link;

	link->hearer = (struct words_hearer) { on_line, check };
	link->options = check->options->link;
	link->options.monitor = check->monitor;
	link->options.directory = check->directory;
	link->options.budget = &link->budget;
	link->options.hearer = &link->hearer;
	/* The findings quote ssh's messages. */
	link->options.quiet = true;
	/* step_connect.c opens the session itself, to see the result. */
	link->options.session = false;
}

static bool
check_drop_privileges(const struct check *check)
{
	const struct privileges privileges = {
		.user = check->user,
		.directory = check->directory,
		.no_filters = check->conf->no_confine,
	};

	return privileges_drop(&privileges);
}

/* ---- the end ---- */

static enum check_status
check_verdict(struct check *check)
{
	const struct check_options *options = check->options;
	const char *tunnel = options->tunnel;
	const struct suggest_modes *modes = check->suggest.modes;
	struct suggest_command *command = &check->suggest.command;
	enum options_mode mode = suggest_mode(check->conf, modes);
	char text[SUGGEST_MAX], key[SUGGEST_MAX], sshd[SUGGEST_MAX];
	const struct report_end end = {
		.destination = tunnel != NULL ?
		    tunnel :
		    fact(&check->facts, FACT_DESTINATION),
		.command = text,
		.changed = tunnel == NULL && command->has_capitals,
		.key_line = key,
		.key_place = fact(&check->facts, FACT_KEY_PLACE),
		.ftp = suggest_has_ftp(check->conf),
		.sftp = suggest_has_sftp(check->conf),
		.sshd_config = sshd,
		.sshd_host = fact(&check->facts, FACT_HOST),
	};

	command->options = options->given;
	command->n_options = options->n_given;
	command->tunnel = tunnel;
	command->config = options->config;
	command->destination = check->conf->destination;
	/* A tunnel's own mode need not be repeated. */
	if (tunnel == NULL || mode != check->conf->server_mode)
		command->mode = mode;
	suggest_command(command, text, sizeof(text));
	suggest_key_line(check->conf, modes, mode, key, sizeof(key));
	suggest_sshd_config(check->conf, fact(&check->facts, FACT_USER), sshd,
	    sizeof(sshd));
	if (!report_finish(&check->report, &end)) {
		log_err("cannot write the report");
		return CHECK_FAILS;
	}
	if (check->report.worst == ADVICE_WRONG)
		return CHECK_FAILS;
	return check->report.worst == ADVICE_UNTRIED ? CHECK_UNKNOWN :
						       CHECK_WORKS;
}

/* Called when the loop has nothing left to do. */
static void
check_free(struct check *check)
{
	int err;

	for (size_t i = 0; i < CHECK_SIGNALS; i++)
		uv_close((uv_handle_t *)&check->signals[i], NULL);
	nodelay_free(check->link.nodelay);
	links_free(check->link.links);
	monitor_detach(check->monitor);
	/* Runs the callbacks of the handles closed just now. */
	uv_run(&check->loop, UV_RUN_DEFAULT);
	net_free(check->net);
	err = uv_loop_close(&check->loop);
	assert(err == 0);
	monitor_free(check->monitor);
	privdir_remove(check->directory);
	report_free(&check->report);
	free(check->outcomes);
	login_forget(&check->login);
}

/* Prepares everything, and confines the process. */
static bool
check_start(struct check *check)
{
	if (!check_make_parts(check))
		return false;
	check_set_facts(check);
	set_link(check);
	step_forward_bind(check);
	return check_drop_privileges(check);
}

/* ---- the steps ---- */

static void
check_steps(struct check *check)
{
	if (check->options->named)
		check_find(check, NO_SUCH_TUNNEL);
	if (!step_config(check) || !step_reach(check) || !step_connect(check))
		return;
	while (check->forward < check->conf->n_forwards && step_forward(check))
		check->forward++;
}

/* Reports the loss of the link, closes everything, and waits for the end of
 * ssh. */
static void
check_stop(struct check *check)
{
	if (check->link.up && !check->link.runs) {
		fact_set(&check->facts, FACT_WHY, check->link.why);
		check_find(check, SSH_LOST);
	}
	wait_end(&check->wait);
	side_free(check->far);
	side_free(check->near);
	if (check->link.runs)
		links_stop(check->link.links);
	uv_run(&check->loop, UV_RUN_DEFAULT);
}

int
check_run(const struct check_options *options)
{
	static struct check check;
	struct monitor_options monitor = {
		.first = &options->link,
		.n = 1,
	};
	struct user become = { .name = NULL };
	int status = CHECK_FAILS;

	check.options = options;
	check.conf = options->options;
	if (options->user != NULL &&
	    !privileges_find_user(options->user, &become))
		return CHECK_FAILS;
	if (become.name != NULL)
		monitor.user = check.user = &become;
	if (monitor_fork(&monitor, &check.monitor) != 0)
		return CHECK_FAILS;
	snprintf(check.directory, sizeof(check.directory), "%s",
	    monitor_directory(check.monitor));
	if (!check_start_loop(&check))
		return CHECK_FAILS;
	if (check_start(&check)) {
		check_steps(&check);
		check_stop(&check);
		status = check.interrupted ? (int)CHECK_UNKNOWN :
					     (int)check_verdict(&check);
	} else {
		check_stop(&check);
	}
	check_free(&check);
	user_free(&become);
	return status;
}
