"""The shapes of the wire format, one noun a file; `assistant.wire` offers them all."""
