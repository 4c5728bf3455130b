/*
 * What culvert is doing, as JSON: the answer to "status" (control.h); what the
 * keys are culvert-status(1) has.
 */
#ifndef PROCESS_STATUS_H
#define PROCESS_STATUS_H

struct app;

/* One line, its newline included; heap memory, or NULL when out of it. */
char *status_text(const struct app *app);

#endif
