// Table of constants; data are read one cycle after `en`.
module el_rom #(
    parameter AW = 8,
    parameter W = 8,
    parameter DEPTH = 256,
    parameter FILE = "none"
) (
    input                clk,
    input                en,
    input      [AW-1:0]  addr,
    output reg [W-1:0]   rdata
);
    localparam BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;
    reg [W-1:0] words [0:DEPTH-1];
    wire [BITS-1:0] place = addr[BITS-1:0];
    wire unused = &{1'b0, addr};

    initial $readmemh(FILE, words);

    always @(posedge clk)
        if (en) rdata <= words[place];
endmodule
