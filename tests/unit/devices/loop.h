/*
 * A main loop that turns when the test says so, for backends: work waits until the test starts it on threads of its
 * own, calls and descriptors until the test lets the loop turn.
 */
#ifndef TESTS_DEVICES_LOOP_H
#define TESTS_DEVICES_LOOP_H

#include "board.h"

typedef struct loop loop;

/* Of a fake machine, before instances are added to it. One at a time. */
loop *loop_new(fake_machine *machine);
/* Fails the test if something is left: calls, pollers, work. */
void loop_free(loop *l);

/* Work that waits or runs. */
unsigned loop_work(const loop *l);
/* A thread for each piece of work that waits. */
void loop_start_work(loop *l);
/* Wait for the work that was started, and call what is to be called then, in the order of submission. */
void loop_end_work(loop *l);
/* Both. */
void loop_do_work(loop *l);

/* Calls that wait, and pollers. */
unsigned loop_calls(const loop *l);
unsigned loop_pollers(const loop *l);
/* Sleep until a descriptor is ready or a call is due, at most that long, and make the calls. */
void loop_turn(loop *l, int timeout_ms);
/* Turn until the condition holds; false: it did not for ten seconds. */
bool loop_until(loop *l, bool (*condition)(void *opaque), void *opaque);

#endif
