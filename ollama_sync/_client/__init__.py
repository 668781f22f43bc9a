"""The client room: what a caller calls. Runs on the thread of the caller, any one."""
