// Synchronous memory with one port; data are read one cycle after `en`. The one file to replace by SRAM macros.
module el_ram #(
    parameter AW = 4,        // bits of an address
    parameter W = 8,         // bits of a word
    parameter DEPTH = 16,    // words
    parameter INIT = 0,      // whether the words start from FILE
    parameter FILE = "none"
) (
    input                clk,
    input                en,
    input                we,
    input      [AW-1:0]  addr,
    input      [W-1:0]   wdata,
    output reg [W-1:0]   rdata
);
    localparam BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;
    reg [W-1:0] words [0:DEPTH-1];
    wire [BITS-1:0] place = addr[BITS-1:0];
    wire unused = &{1'b0, addr};

    generate
        if (INIT != 0) begin : start
            initial $readmemh(FILE, words);
        end
    endgenerate

    always @(posedge clk)
        if (en) begin
            if (we) words[place] <= wdata;
            else rdata <= words[place];
        end
endmodule
