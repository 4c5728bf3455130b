/*
 * What a session writes to the log.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ftp/command.h"
#include "tunnel/session.h"

void
session_log_text(struct session *session, const struct engine_action *action)
{
	static const enum log_level levels[] = {
		[ENGINE_WARN] = LOG_LEVEL_WARN,
		[ENGINE_INFO] = LOG_LEVEL_INFO,
		[ENGINE_VERBOSE] = LOG_LEVEL_VERBOSE,
	};
	char text[1024];

	if (action->level != ENGINE_VERBOSE && !session_may_warn(session))
		return;
	log_escape(text, sizeof(text), action->bytes, action->len - 1);
	session_say(session, levels[action->level], "%s", text);
}

/* How the transfer ended, for the log. */
static void
describe_end(const struct engine_report *report, char *text, size_t size)
{
	const char *colon = report->why[0] != '\0' ? ": " : "";

	if (report->outcome == ENGINE_COMPLETE)
		snprintf(text, size, "complete (%u)", report->server_code);
	else if (report->outcome == ENGINE_REFUSED)
		snprintf(text, size, "refused by the server (%u)",
		    report->server_code);
	else if (report->server_code == 0)
		snprintf(text, size, "%s%s%s; %s",
		    report->outcome == ENGINE_TRUNCATED ? "TRUNCATED" : "cut",
		    colon, report->why,
		    report->outcome == ENGINE_TRUNCATED ?
			"the server may keep a partial file" :
			"no answer from the server");
	else if (report->outcome == ENGINE_TRUNCATED)
		snprintf(text, size,
		    "TRUNCATED: %s; the server answered %u and keeps the "
		    "partial file as if it were whole",
		    report->why, report->server_code);
	else
		snprintf(text, size, "cut%s%s; the server answered %u", colon,
		    report->why, report->server_code);
}

void
session_log_report(const struct session *session,
    const struct engine_report *report, const struct side_losses *losses)
{
	enum log_level level = LOG_LEVEL_VERBOSE;
	char name[LOG_ESCAPED_MAX], end[640], lost[80] = "";
	const char *verb = verb_name(report->verb);

	if (report->outcome == ENGINE_TRUNCATED ||
	    report->outcome == ENGINE_ABORTED)
		level = LOG_LEVEL_WARN;
	log_escape(name, sizeof(name), report->name, strlen(report->name));
	describe_end(report, end, sizeof(end));
	if (losses->n > 0)
		snprintf(lost, sizeof(lost),
		    "; the SSH connection was lost %u time%s, for %.1f s",
		    losses->n, losses->n > 1 ? "s" : "",
		    (double)losses->ms / 1000);
	session_say(session, level, "%s %s \"%s\", %llu bytes: %s%s",
	    report->upload ? "upload" : "download",
	    *verb != '\0' ? verb : "SITE", name,
	    (unsigned long long)report->bytes, end, lost);
}

void
session_log_transcript(struct session *session,
    const struct engine_action *action)
{
	char line[512], text[LOG_ESCAPED_MAX];
	struct command command;
	size_t len = action->len, shown;

	if (log_get_level() < LOG_LEVEL_DEBUG)
		return;
	if (session->log.secrets == NULL)
		session->log.secrets = calloc(1, sizeof(*session->log.secrets));
	if (session->log.secrets == NULL)
		return;
	if (action->peer == ENGINE_SERVER) {
		secrets_hear(session->log.secrets, action->bytes, action->len);
		command_parse(action->bytes, action->len, &command);
		len = command_loggable(action->bytes, action->len, &command,
		    line, sizeof(line));
		log_escape(text, sizeof(text), line, len);
		session_say(session, LOG_LEVEL_DEBUG, "-> %s", text);
	} else {
		shown = secrets_shown(session->log.secrets, action->bytes, len);
		log_escape(text, sizeof(text), action->bytes, shown);
		session_say(session, LOG_LEVEL_DEBUG, "<- %s%s", text,
		    shown < len ? "****" : "");
	}
}
