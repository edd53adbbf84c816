// Feedback that a 16-bit Galois register regenerates (contract, section 7): the row of the label, neuron after neuron.
module el_lfsr #(
    parameter AW = 5,
    parameter DEPTH = 32,
    parameter FILE = "lfsr.hex"
) (
    input                clk,
    input                begins,     // a layer begins: its start is looked up
    input      [AW-1:0]  place,      // {layer, row}
    input                advance,    // on to the next neuron
    output signed [7:0]  word        // of the neuron at hand; two cycles after `begins`
);
    reg [15:0] state;
    reg loads;
    wire [15:0] start;
    el_rom #(.AW(AW), .W(16), .DEPTH(DEPTH), .FILE(FILE)) starts (.clk(clk), .en(begins), .addr(place), .rdata(start));

    wire [15:0] once = {1'b0, state[15:1]} ^ (state[0] ? 16'hb400 : 16'h0000);
    wire [15:0] twice = {1'b0, once[15:1]} ^ (once[0] ? 16'hb400 : 16'h0000);
    always @(posedge clk) begin
        loads <= begins;
        if (loads) state <= start;
        else if (advance) state <= twice;
    end

    localparam signed [7:0] HIGH = 8'sd127;
    assign word = !state[0] ? 8'sd0 : once[0] ? -HIGH : HIGH;
endmodule
