/* Stands in for the vendor's WGFMU library in a test: writes down every call, and fails on demand. */
#include <stdio.h>
#include <string.h>

static char log_text[1 << 20];
static char failing[64];
static int code, left, status = 10000;

static int note(const char *name, const char *arguments) {
    size_t used = strlen(log_text);
    snprintf(log_text + used, sizeof log_text - used, "%s(%s)\n", name, arguments);
    if (left > 0 && strcmp(name, failing) == 0 && --left == 0) return code;
    return 0;
}

#define NOTE(name, ...) char text[256]; snprintf(text, sizeof text, __VA_ARGS__); return note(name, text)

const char *fake_log(void) { return log_text; }
void fake_clear(void) { log_text[0] = 0; }
void fake_fail(const char *name, int with, int at) { snprintf(failing, sizeof failing, "%s", name); code = with; left = at; }
void fake_status(int value) { status = value; }

int WGFMU_openSession(const char *address) { NOTE("openSession", "%s", address); }
int WGFMU_closeSession(void) { return note("closeSession", ""); }
int WGFMU_initialize(void) { return note("initialize", ""); }
int WGFMU_setTimeout(double seconds) { NOTE("setTimeout", "%.17g", seconds); }
int WGFMU_getErrorSummarySize(int *size) { *size = 18; return 0; }
int WGFMU_getErrorSummary(char *text, int *size) { snprintf(text, *size, "what\nhappened"); return 0; }
int WGFMU_clear(void) { return note("clear", ""); }
int WGFMU_createPattern(const char *p, double v) { NOTE("createPattern", "%s,%.17g", p, v); }
int WGFMU_addVector(const char *p, double t, double v) { NOTE("addVector", "%s,%.17g,%.17g", p, t, v); }
int WGFMU_setMeasureEvent(const char *p, const char *e, double t, int n, double i, double a, int r) {
    NOTE("setMeasureEvent", "%s,%s,%.17g,%d,%.17g,%.17g,%d", p, e, t, n, i, a, r);
}
int WGFMU_addSequence(int c, const char *p, double n) { NOTE("addSequence", "%d,%s,%.17g", c, p, n); }
int WGFMU_setOperationMode(int c, int mode) { NOTE("setOperationMode", "%d,%d", c, mode); }
int WGFMU_setMeasureMode(int c, int mode) { NOTE("setMeasureMode", "%d,%d", c, mode); }
int WGFMU_setMeasureCurrentRange(int c, int range) { NOTE("setMeasureCurrentRange", "%d,%d", c, range); }
int WGFMU_connect(int c) { NOTE("connect", "%d", c); }
int WGFMU_disconnect(int c) { NOTE("disconnect", "%d", c); }
int WGFMU_execute(void) { return note("execute", ""); }
int WGFMU_abort(void) { return note("abort", ""); }
int WGFMU_waitUntilCompleted(void) { return note("waitUntilCompleted", ""); }
int WGFMU_getStatus(int *s, double *elapsed, double *total) { *s = status; *elapsed = *total = 1e-3; return note("getStatus", ""); }
int WGFMU_getMeasureValueSize(int c, int *done, int *total) { *done = *total = 3; return note("getMeasureValueSize", ""); }
int WGFMU_getMeasureValues(int c, int offset, int *size, double *times, double *values) {
    for (int k = 0; k < *size; k++) { times[k] = (offset + k) * 1e-6; values[k] = c * 1e-9 * (k + 1); }
    return note("getMeasureValues", "");
}
