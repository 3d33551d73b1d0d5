/*
 * Register scripts of devices.
 */
#ifndef TESTS_DEVICE_SCRIPT_H
#define TESTS_DEVICE_SCRIPT_H

#include "fake_machine.h"

/* Run every case of a script, say on standard output what fails, and count. */
void device_script_run(pb_plugin_host *host, const char *file, unsigned *passed, unsigned *failed);

#endif
