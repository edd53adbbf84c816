"""Speed: measured by a script, never asserted; what is asserted is that the fast twin has the same bits."""
