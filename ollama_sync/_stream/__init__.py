"""The stream room: what a caller holds while a reply is running. Runs on the thread of the caller, any one."""
