"""Technology constants with sources: memories, logic, nodes."""
