/*
 * The JSON Schema of machine files, for editors: sections from the composer's tables of keys, types from the installed
 * plugins' tables.
 */
#ifndef CORE_MACHINE_SCHEMA_H
#define CORE_MACHINE_SCHEMA_H

#include <core/plugin/plugin_host.h>

/* The schema's text (draft 2020-12); free it. Plugins whose manifest and file are both unusable are left out
 * and named in `skipped`, one line each. */
char *pb_schema_text(pb_plugin_host *host, GString *skipped);

#endif
