/*
 * The control engine: the result of a step.  A part of engine/priv.h.
 */
#ifndef ENGINE_STEP_H
#define ENGINE_STEP_H

enum step {
	STEP_IDLE, /* nothing was done: there was nothing to do */
	STEP_WAIT, /* nothing was done: it has to wait for an event */
	STEP_DONE, /* something was done: take another step */
};

#endif
